"""Script mode for serving: the functions of a user's script answer requests."""

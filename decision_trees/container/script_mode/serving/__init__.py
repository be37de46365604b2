"""Script mode for serving: the functions of a user's program answer requests."""

"""Script mode: train and serve with a user's program, compatible with AWS's toolkits."""

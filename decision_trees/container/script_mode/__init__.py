"""Script mode: train and serve a program of the user's, as AWS's toolkits do."""

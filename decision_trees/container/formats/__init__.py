"""Grammar of each format, for both directions: training data and request bodies."""

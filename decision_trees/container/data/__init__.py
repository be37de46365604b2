"""Training data: from the files and pipes of a channel to a table, or to batches of rows."""

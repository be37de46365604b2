"""Training data: from the files and pipes of a channel to tables and datasets."""

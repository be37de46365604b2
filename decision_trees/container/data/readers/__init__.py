"""Training files to batches of rows: one module a format, and the detection of the format."""

"""Readers of training data: one module per format; each yields batches of rows."""

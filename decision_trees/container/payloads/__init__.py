"""Request bodies to rows, and predictions to response bodies."""

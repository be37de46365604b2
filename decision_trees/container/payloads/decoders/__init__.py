"""Request bodies to rows: one module a format."""

"""How the body of a request becomes rows: one module a format."""

"""How each format becomes blocks of rows: one module a format, and the choice between them."""

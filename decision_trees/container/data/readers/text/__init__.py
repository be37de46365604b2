"""Text with one row a record: CSV and its relatives, and JSON."""

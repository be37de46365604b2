"""Decoders of request bodies: one module for each format."""

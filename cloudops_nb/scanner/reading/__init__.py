"""Reads one task: its pages, batches, details and tags, as resources."""

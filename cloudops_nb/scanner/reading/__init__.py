"""Reads one task: its pages, details, batches and tags, as resources."""

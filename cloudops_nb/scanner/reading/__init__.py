"""Reads one task: its pages, and the batches, details and tags that complete its resources."""

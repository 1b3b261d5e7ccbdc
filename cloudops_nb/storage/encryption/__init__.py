"""Hides values from the vector store: encrypted envelopes, blind index values and rotated vectors."""

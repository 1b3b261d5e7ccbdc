"""Hides values from the vector store by encryption, keyed hashes and rotated vectors."""

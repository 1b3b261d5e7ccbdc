"""Parses and compiles policy documents: statements, resource patterns, principals, conditions and variables."""

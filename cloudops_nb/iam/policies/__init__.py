"""Policy documents, compiled: statements, resource patterns, conditions and variables."""

"""Readers of declarations: located YAML, selectors in it, and bundled tables."""

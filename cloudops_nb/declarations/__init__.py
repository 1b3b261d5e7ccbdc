"""Readers of declarations: YAML with the position of each value, the selectors in it, and bundled tables."""

"""Reads declarations from YAML, with the line and column of each mistake, and the selectors that they hold."""

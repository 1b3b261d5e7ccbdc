"""Maintenance, which replaces parts of a store: key changes, key import, engine moves, the removal of an account."""

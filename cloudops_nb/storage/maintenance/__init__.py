"""Maintenance that replaces parts of a store: key changes, key import, engine moves, removal of an account."""

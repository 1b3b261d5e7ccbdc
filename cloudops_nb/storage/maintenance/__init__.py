"""Maintenance of a store that no other program has open: key changes, key import, engine moves, account removal."""

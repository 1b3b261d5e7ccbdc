"""Handles the files in a store's folder (the data path): private files, lock files, ``store.json``, the SQLite file.

A folder on a network file system is refused.
"""

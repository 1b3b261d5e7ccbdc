"""The files of a data path: private files, lock files, ``store.json``, the SQLite file; and its file system's type."""

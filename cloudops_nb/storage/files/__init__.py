"""The files of a data path: private files, lock files, ``store.json``, the SQLite file; checks the file system."""

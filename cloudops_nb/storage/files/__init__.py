"""Files of the data path: private files, creation locks, ``store.json``, the SQLite file, network file systems."""

"""Files of the data path: private modes, creation locks, the store file, SQLite."""

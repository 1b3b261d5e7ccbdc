"""Opens a store: its keys, its usage lock, unfinished handovers, and upgrades of its format."""

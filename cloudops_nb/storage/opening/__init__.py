"""Opens a store: takes its usage lock, finishes an interrupted handover, upgrades its format, finds its key."""

"""What replaces parts of a store: new keys, upgrades, moves, forgetting; alone, and all at once."""

"""The master key of a store: where it is kept, how a store finds it, its export, and its replacement by a new key."""

"""What makes values unreadable to the store: envelopes, keyed indexes, and the rotation of vectors."""

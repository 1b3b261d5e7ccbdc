"""Makes values unreadable to the store: envelopes, blind indexes, and the rotation of vectors."""

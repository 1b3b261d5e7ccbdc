"""The journal: encrypted records in a keyed MAC chain, and the sealed head of that chain."""

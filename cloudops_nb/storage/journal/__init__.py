"""The journal: encrypted records in a chain of MACs, and the sealed head, an encrypted copy of the chain's end."""

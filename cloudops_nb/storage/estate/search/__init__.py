"""Search over the estate: parses a query, reads ranked lists from the engine, and judges and ranks the hits."""

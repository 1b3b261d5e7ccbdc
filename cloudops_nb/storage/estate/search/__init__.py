"""Search over the estate: parses a query, reads ranked lists from the engine, judges and ranks the hits."""

"""Searches the estate: parses a query, gets ranked lists of hits from Qdrant, then judges and ranks the hits."""

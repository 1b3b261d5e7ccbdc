"""Search over the estate: reads the query, collects candidates, judges and ranks them."""

"""Regular tasks: their due times in the journal's database, and the thread that runs them."""

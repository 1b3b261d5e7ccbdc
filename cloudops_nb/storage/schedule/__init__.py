"""Regular tasks: their due times, stored in the journal's database, and the thread that runs them."""

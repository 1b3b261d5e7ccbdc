"""Due times of regular work, kept in the journal's database, and the thread that runs it."""

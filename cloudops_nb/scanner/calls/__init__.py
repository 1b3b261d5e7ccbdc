"""Read calls into one account: paced by rate limits, counted and stoppable."""

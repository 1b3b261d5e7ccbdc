"""Paced, counted and stoppable read calls into one account."""

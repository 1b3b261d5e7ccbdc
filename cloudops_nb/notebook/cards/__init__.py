"""The approval card: its content on the screen, its widgets, and the decision on it."""

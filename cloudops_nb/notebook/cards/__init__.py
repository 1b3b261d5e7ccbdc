"""The approval card: its widget, its decision and the decision in a terminal."""

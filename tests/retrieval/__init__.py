"""How well search finds: labelled queries and their score."""

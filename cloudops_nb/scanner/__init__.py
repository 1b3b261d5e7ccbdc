"""Scans AWS accounts. A cell is one resource type in one account and region; every cell ends in an explicit state."""

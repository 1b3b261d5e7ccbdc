"""Finds, verifies and restores snapshots."""

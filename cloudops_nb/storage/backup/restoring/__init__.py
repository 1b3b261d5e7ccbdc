"""Finds, verifies and restores snapshots; a failed restore leaves the store unchanged."""

"""Finds, verifies and restores snapshots; a restore that fails before it is committed leaves the store unchanged."""

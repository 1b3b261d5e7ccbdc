"""Scans an estate by cells, each an account, a region and a resource type, and ends every cell in an explicit state."""

"""Specs: declarations of resource types, which say how to list and describe resources, and what the fields mean."""

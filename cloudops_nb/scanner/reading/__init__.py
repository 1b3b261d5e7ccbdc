"""Reads one list call with all its pages, and makes the further calls that complete the listed resources."""

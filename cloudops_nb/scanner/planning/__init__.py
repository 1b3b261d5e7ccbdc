"""Decides what a scan reads: which accounts, regions and types, as list calls and cells."""

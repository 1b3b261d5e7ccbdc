"""Decides what a scan reads: accounts, regions and types, as list calls and the cells that they fill."""

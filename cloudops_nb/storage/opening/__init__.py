"""Opens a store: locks it against maintenance, upgrades its format, and finds its key.

If maintenance was killed while it replaced parts of the store, opening the store finishes the replacement.
"""

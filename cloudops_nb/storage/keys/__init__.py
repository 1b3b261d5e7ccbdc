"""The master key: its sources, how a store finds it, export, import and succession."""

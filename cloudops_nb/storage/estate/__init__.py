"""The resources: how they are described, kept, filtered, counted and found."""

"""The policies and context keys that come with a principal."""

"""Faster replacements for botocore's parsers, models and event hooks, with the same results."""

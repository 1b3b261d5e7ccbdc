"""Faster replacements for parts of botocore: parsers, models and event hooks with the same results."""

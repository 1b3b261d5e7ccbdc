"""Faster replacements for parts of botocore: parsers, models and event hooks that give the same results."""

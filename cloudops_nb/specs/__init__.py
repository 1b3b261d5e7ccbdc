"""Declarations of resource types: how each is listed, described, tagged and related."""

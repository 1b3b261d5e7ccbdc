"""Evaluates a request against every layer of policies."""

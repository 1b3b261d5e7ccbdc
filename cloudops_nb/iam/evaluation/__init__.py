"""Evaluation of a request against every layer of policies."""

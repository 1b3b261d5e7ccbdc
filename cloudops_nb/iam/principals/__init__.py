"""A principal's policies, and the condition keys that have the same state in all requests of the principal."""

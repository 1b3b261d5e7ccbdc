"""A principal's policies, and the condition keys that follow from the principal."""

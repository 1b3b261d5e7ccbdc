"""The estate scanner: reads accounts by regions by resource types, in cells that each end in an explicit state."""

"""Facts about scans that need no scan: known types, required permissions, and the coverage table."""

"""The estate, which is every AWS resource that scans found: writes, filters, counts and searches encrypted rows."""

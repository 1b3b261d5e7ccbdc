"""Makes the calls of a scan: paces them below AWS's rate limits, counts them, and stops when the scan stops."""

"""Describes scans without scanning: the types that can be read, the required IAM permissions, the coverage table."""

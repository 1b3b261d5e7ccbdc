"""Writes, filters, counts and searches the estate: the AWS resources that scans found, stored as encrypted rows."""

"""Runs a scan's list calls in threads or in other processes, and limits the rows that are read but not yet written."""

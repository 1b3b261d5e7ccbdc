"""Facts about a scan without one: the types it knows, the permissions it needs, the table of both."""

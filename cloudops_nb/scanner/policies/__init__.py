"""Reads the policies that decide what each account's acting principal may do, and evaluates them for each resource."""

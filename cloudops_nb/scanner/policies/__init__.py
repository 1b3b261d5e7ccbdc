"""Reads the policies of the principals that run plans, and evaluates these policies for each resource of a scan.

Each account has one such principal, its acting principal.
"""

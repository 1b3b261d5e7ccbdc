"""Evaluates requests against all policies that apply: those of the principal, the organization and the resource."""

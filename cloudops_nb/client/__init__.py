"""The client library: ``CloudOps``, and what wires the parts together behind it."""

from cloudops_nb.client.cloudops import CloudOps

__all__ = ["CloudOps"]

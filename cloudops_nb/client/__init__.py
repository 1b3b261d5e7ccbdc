"""The client library: ``CloudOps``, and the parts that it delegates to."""

from cloudops_nb.client.cloudops import CloudOps

__all__ = ["CloudOps"]

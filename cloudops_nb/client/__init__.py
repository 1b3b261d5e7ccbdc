"""The client library: ``CloudOps`` and the wiring of its parts."""

from cloudops_nb.client.cloudops import CloudOps

__all__ = ["CloudOps"]

"""The commands ``cloudops-nb`` and ``cloudops-server``: thin shells over :class:`cloudops_nb.CloudOps`."""

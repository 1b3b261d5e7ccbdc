"""The encrypted store on this host: the estate (the resources that scans found), conversations, journal, scan state.

``StorageService`` in :mod:`cloudops_nb.storage.facade` is the entry point. Importing this package imports nothing else:
the owner process, which serves the embedded vector store, imports this package and must stay small.
"""

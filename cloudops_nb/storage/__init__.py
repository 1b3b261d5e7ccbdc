"""Everything this host keeps: the estate, conversations, the journal and the scan state, encrypted.

``StorageService`` in :mod:`cloudops_nb.storage.facade` is the entry point. Importing this package imports nothing else,
because the process that owns the shards imports it and must stay small.
"""

"""Everything this host keeps: the estate, conversations, the journal and the scan state, encrypted.

``StorageService`` is the way in. Importing this package imports nothing else: the process that owns the shards imports
it too and must stay small.
"""

"""Keeps a store's collections on a Qdrant server or cluster: a ``VectorStore`` over ``qdrant-client``.

Only this package imports ``qdrant_client``. The package is loaded only if the settings, or a move of the store, name a
server. The server sees only ciphertext, blind values (keyed hashes that can be compared), vectors and times.
"""

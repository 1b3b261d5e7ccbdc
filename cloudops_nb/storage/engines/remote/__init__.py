"""The estate and the conversations in a Qdrant server or cluster: a ``VectorStore`` over ``qdrant-client``.

Only this package imports ``qdrant_client``, and it is loaded only if the settings name a server. Like the owner
process, the server sees only ciphertext, blind values, vectors and times.
"""

"""The estate and the conversations in a Qdrant server or cluster: a ``VectorStore`` over ``qdrant-client``.

Nothing else imports ``qdrant_client``, and this package is loaded only where the settings name a server. The server
sees what the owner process sees: ciphertext, blind values, vectors and times.
"""

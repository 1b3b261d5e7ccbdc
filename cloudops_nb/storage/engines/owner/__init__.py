"""The process that owns a data path's shards, and the client that kernels use to reach it.

Qdrant Edge lets one process open a shard and holds the GIL while it works, and two notebooks at once are the normal
case. So one process per data path holds the shards; the first kernel starts it, all share it, it exits when idle, and a
kernel that finds it dead starts another. It sees ciphertext, blind values and vectors, and never has a key.
It forks and listens on a Unix socket, so it runs where Python has both.
"""

"""The owner process, which holds a data path's shards, and the client that kernels use to reach it.

Qdrant Edge lets only one process open a shard, and holds the GIL while it works; yet several notebooks often use one
store. So one process per data path holds the shards. The first kernel starts it, all kernels share it, it exits when
idle, and a kernel that finds it dead starts another. It sees ciphertext, blind values and vectors, and never has a key.
It needs ``fork`` and Unix sockets.
"""

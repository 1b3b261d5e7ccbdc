"""The owner process, which runs the embedded vector store, and its client, which runs in each notebook kernel.

A shard is the folder of one collection in a data path (the store's folder). Qdrant Edge lets only one process open a
shard, and holds the GIL while it works; yet several notebooks often use one store. So one process per data path, the
owner, opens the shards for all notebook kernels. The first kernel starts the owner. The owner exits when it is idle,
and a kernel that finds no running owner starts a new one. The owner never has a key: it sees only ciphertext, blind
values (keyed hashes that can be compared), vectors and times. The owner needs ``fork`` and Unix sockets.
"""

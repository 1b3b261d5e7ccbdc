"""The Qdrant engines that hold a store's collections: the embedded one in its owner process, and a remote server."""

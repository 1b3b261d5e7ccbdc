"""The two Qdrant engines that can hold a store's collections: Qdrant Edge in a local process, and a Qdrant server."""

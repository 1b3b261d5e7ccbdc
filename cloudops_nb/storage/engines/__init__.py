"""Where points live: the seam to a Qdrant engine, the embedded one behind its owner process, and a remote one."""

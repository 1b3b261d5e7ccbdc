"""Kills the programs that work on a store at random moments, and checks what is left against what they were promised.

``python -m tests.crash --kills 200`` (``make crash``) prints the count. Each round, a worker carries out a random
mixture of operations, says what it is about to do and what was acknowledged, and is killed with SIGKILL, or its owner
process is, or both. The store is then opened anew and compared with a model: what was acknowledged is there, what was
under way is there whole or not at all, the journal verifies.
"""

"""Kills and interrupts scans at random moments, and checks what is left of the inventory.

``python -m tests.scan_crash --kills 200`` prints the count. Each round the estate has changed, a process scans it into
a real store, and meets SIGKILL or SIGINT somewhere on the way. The store is then opened anew: no resource that lives is
gone, what was read is there, each cell says what it is, and an undisturbed scan brings the inventory to the estate.
"""

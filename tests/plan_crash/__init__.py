"""Kills processes that run plans, at every step boundary and at random moments, and checks what is left.

``python -m tests.plan_crash --plans 40`` (part of ``make crash``) prints the counts. Each plan first runs undisturbed,
which tells its *points*: the moments before, within and after each journal record and each AWS call. Then a process is
killed with SIGKILL at each point. The next process opens the store, recovers, and says what it sees; the simulated AWS,
which is a process of its own, says which changing calls it was asked for.
"""

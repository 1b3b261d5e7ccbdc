"""Imported by the process from which the killed ones are forked, so that each begins with everything read."""

from tests.scan_crash import worker, world

__all__ = ["worker"]

world.prepare()

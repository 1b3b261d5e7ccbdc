"""Flips single bits in the files of a store, and checks that the damage is bounded, reported and mended.

``python -m tests.corrupt --flips 60`` (``make corrupt``) flips that many bits in each kind of file and prints the
figures. Only bytes that the store uses are hit. Each flip is made in a fresh copy of one store. Then the store either
opens and returns every intact record, or refuses with an error that names the file and the fix; and a scan, or the
advice of the error, brings everything back.
"""

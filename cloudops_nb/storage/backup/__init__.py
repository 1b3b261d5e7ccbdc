"""Encrypted snapshots of the collections and the journal, on the local disk and in S3.

The entry point is :class:`cloudops_nb.storage.backup.service.BackupService`.
"""

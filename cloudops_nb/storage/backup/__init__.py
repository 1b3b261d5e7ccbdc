"""Backups: encrypted snapshots of the collections and the journal, on this disk and in S3, taken, kept and restored.

``cloudops_nb.storage.backup.service.BackupService`` is the way in.
"""

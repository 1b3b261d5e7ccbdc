"""Where snapshots are kept: this disk and S3."""

"""The places that hold snapshots: a folder on the local disk, and an S3 bucket."""

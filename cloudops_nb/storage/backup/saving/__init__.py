"""Takes and uploads snapshots, on request and on schedule, and removes expired snapshots."""

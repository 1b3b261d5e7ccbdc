"""Takes snapshots, uploads them, prunes old ones, and does so regularly."""

"""The resources that scans found: written, filtered, counted and searched, encrypted in the engine."""

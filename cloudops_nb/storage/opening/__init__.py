"""Opens a store: who else has it open, unfinished replacements, upgrades of its format."""

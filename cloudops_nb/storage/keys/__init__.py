"""The master key: where it is kept, how it is found, handed on and taken along."""

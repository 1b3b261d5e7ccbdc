"""The magics, the parser of their lines, and their completion."""

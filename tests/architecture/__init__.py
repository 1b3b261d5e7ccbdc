"""The shape of the package: what imports what, how large its parts are, and whether the names in its prose exist."""

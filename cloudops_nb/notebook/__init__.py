"""CloudOps in a notebook: magics, approval cards, progress displays, the DataFrame accessor and display formatters."""

"""CloudOps inside a notebook: magics, approval cards, progress, the DataFrame accessor and rich reprs."""

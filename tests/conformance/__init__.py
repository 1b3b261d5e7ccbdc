"""Whether documents run here as Systems Manager's user guide says: one case for each sentence, and the page of them."""

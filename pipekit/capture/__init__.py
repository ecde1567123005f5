"""What the outcome of a step depends on besides its inputs: the code."""

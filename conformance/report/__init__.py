"""Reports of a run: JSON for machines, a matrix in the terminal for people."""

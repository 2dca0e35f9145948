"""SQL as prose; each file runs once, in the order of its name."""

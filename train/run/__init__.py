"""A training run: its folder, its course, what it survives."""

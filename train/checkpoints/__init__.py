"""Checkpoints: writing, reading, starting from and running them."""

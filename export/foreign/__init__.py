"""Somebody else's detector, read, completed and proved."""

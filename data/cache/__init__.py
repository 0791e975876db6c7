"""Decoded images in one memory-mapped file."""

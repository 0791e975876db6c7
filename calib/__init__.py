"""Labelled samples, splits and average precision. Torch-free."""

"""Matching, losses and a training step of each task."""

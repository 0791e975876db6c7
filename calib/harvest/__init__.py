"""Frames in which a detector is unsure, with what it proposes, as data to correct and train on."""

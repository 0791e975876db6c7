"""Labelled images: datasets, samples, splits and the report of what is wrong in them. No torch."""

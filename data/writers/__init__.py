"""Labelled images written in another layout."""

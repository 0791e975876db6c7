"""Graphs in int8 and float16."""

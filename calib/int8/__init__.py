"""Calibration: images, ranges, tables, and graphs with quantized blocks."""

"""Thousands of recordings, looked at by many processes or machines."""

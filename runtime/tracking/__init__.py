"""Whose box is whose from one frame to the next, by the time between them."""

"""Where results go: recordings, pictures, JSON lines, a window."""

"""What is verified where a GPU is."""

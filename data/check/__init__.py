"""What is in labelled images and what is wrong with them, before any training."""

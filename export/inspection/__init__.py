"""What is in a checkpoint, graph or engine."""

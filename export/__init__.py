"""From a checkpoint to a graph, and the proof that nothing was lost on the way."""

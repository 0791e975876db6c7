"""From a graph to a TensorRT engine."""

"""What computes a graph, and the contract that it is held to."""

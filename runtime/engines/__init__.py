"""TensorRT engines: reading, checking and running them."""

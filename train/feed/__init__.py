"""From cached images to augmented batches."""

"""Models, losses, augmentation and training: the only home of torch.nn."""

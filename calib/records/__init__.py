"""What artefacts answered on images, kept, compared and reviewed."""

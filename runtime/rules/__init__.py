"""What counts as something that happened: places in the picture, who is in them, rules."""

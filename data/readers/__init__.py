"""One reader a layout of labelled images, and the choice among them."""

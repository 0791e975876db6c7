"""What a detection is: boxes, classes, thresholds, how frames are fitted, suppression in numpy."""

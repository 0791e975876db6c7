"""What others run, measured beside ours: each file is a program for an environment of its own, without singleshot."""

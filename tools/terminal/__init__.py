"""What verbs share on the terminal: options, exits, progress."""

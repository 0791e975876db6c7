"""Stand-ins of public detector families, and the table of what `adapt` makes of each."""

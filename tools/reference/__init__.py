"""Networks of others, built to compare with."""

"""The experiments of the paper that the project began with."""

"""Which cameras a run has, where their results go, and how it is opened."""

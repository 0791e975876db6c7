"""Settings found by many short trainings."""

"""The bench of the proof itself: sound pairs and damaged ones."""

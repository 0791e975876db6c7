"""Proof that two artefacts answer alike."""

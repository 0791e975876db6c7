"""An artefact as other programs serve it."""

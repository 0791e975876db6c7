"""Everything a deployed machine needs: sessions, sources, pipeline, sinks, boxes, cards. Never torch."""

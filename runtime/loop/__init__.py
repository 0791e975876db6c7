"""The loop from a source through a session into sinks."""

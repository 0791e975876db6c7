"""What an event does: lines, pictures, clips, and messages to others."""

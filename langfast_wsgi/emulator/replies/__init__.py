"""What a run will say: by scripted replies, by a steering message, or by its model."""

"""Pure transformers: events in, events out."""

"""Anyone's responses against published numbers and other models: `vr1repro compare`."""

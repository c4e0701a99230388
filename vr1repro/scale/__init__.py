"""What a config takes at its models' size: bytes and time of each phase, and what cannot fit. Arithmetic alone."""

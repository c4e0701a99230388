"""Modality Bridging: from image-question-answer triples to the cold-start set (paper section 3.3.1)."""

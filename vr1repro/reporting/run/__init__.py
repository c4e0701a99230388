"""A finished run as the report reads it: arms, questions, scores."""

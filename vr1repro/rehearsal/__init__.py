"""Rehearsals: a preset's own stages with the real libraries on CPU processes, its models made small."""

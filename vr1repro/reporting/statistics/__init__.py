"""Estimates with their errors, paired comparisons, power."""

"""Warm starts: a laptop's jobs are forked from a process that has imported torch, transformers and TRL already."""

"""Asking models the benchmarks' questions, and scoring their answers."""

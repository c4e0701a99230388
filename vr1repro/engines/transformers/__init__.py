"""Sampling with transformers on this machine, and its own decoding steps for Qwen2.5-VL."""

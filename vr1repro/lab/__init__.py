"""The laptop's world: generated problems, a tiny Qwen2.5-VL and a scripted reasoner that sees text only."""

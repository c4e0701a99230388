"""Cold-start initialisation (SFT) and reinforcement learning (GRPO in PTST stages) on TRL."""

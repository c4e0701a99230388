"""Logs of RL runs that we did not make (EasyR1, verl, TRL), as our `steps.jsonl`, for Figure 1 D to F."""

"""The one definition of a completion: `<think>...</think><answer> Final Answer:X </answer>`.

Source: the samples of the paper's Figures 5 to 7 (v1) and the evaluation code's regex
(Osilly/Vision-R1@c061681, evaluation/evalscope/vlmeval/inference.py l.115-128): a blank after `<answer>` and before
`</answer>`, none after the colon.
"""

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
ANSWER_OPEN, ANSWER_CLOSE = "<answer>", "</answer>"
FINAL_ANSWER = "Final Answer:"
TAGS = (THINK_OPEN, THINK_CLOSE, ANSWER_OPEN, ANSWER_CLOSE)


def completion(chain: str, answer: str) -> str:
    """The completion that a chain of thought and its final answer make."""
    return f"{THINK_OPEN}{chain}{THINK_CLOSE}{answer_only(answer)}"


def answer_only(answer: str) -> str:
    """A completion without a chain: the data of the paper's Zero+SFT+PTST arm (v4 Table 6, caption)."""
    return f"{ANSWER_OPEN} {FINAL_ANSWER}{answer} {ANSWER_CLOSE}"

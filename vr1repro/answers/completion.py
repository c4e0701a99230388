"""The one definition of a completion: `<think> ... </think><answer> Final Answer:X </answer>`.

Source: the eleven samples of the paper's Figures 5 to 7 (v1) and the evaluation code's regex
(Osilly/Vision-R1@c061681, evaluation/evalscope/vlmeval/inference.py l.115-128): blanks inside both pairs of tags, none
after the colon. What we write has the blanks; a reader does not ask for those inside the think tags.
"""

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"
ANSWER_OPEN, ANSWER_CLOSE = "<answer>", "</answer>"
FINAL_ANSWER = "Final Answer:"
TAGS = (THINK_OPEN, THINK_CLOSE, ANSWER_OPEN, ANSWER_CLOSE)


def completion(chain: str, answer: str) -> str:
    """The completion that a chain of thought and its final answer make."""
    return f"{THINK_OPEN} {chain} {THINK_CLOSE}{answer_only(answer)}"


def tags_alone(chain: str, answer: str) -> str:
    """What the system prompt of Vision-R1-Zero asks for (v1 and v4 section 3.1): the tags, without `Final Answer:`."""
    return f"{THINK_OPEN} {chain} {THINK_CLOSE}{ANSWER_OPEN} {answer} {ANSWER_CLOSE}"


def answer_only(answer: str) -> str:
    """A completion without a chain: the data of the paper's Zero+SFT+PTST arm (v4 Table 6, caption)."""
    return f"{ANSWER_OPEN} {FINAL_ANSWER}{answer} {ANSWER_CLOSE}"

"""The reward of reinforcement learning: a hard format rule and a killable grader."""

from typing import Literal

from pydantic import Field

from vr1repro.config.base import Section


class RewardSettings(Section):
    """How a completion is rewarded (paper v1 and v4 section 3.4, "hard formatting result reward function")."""

    kind: Literal["hfrrf", "format_plus_result"] = Field(
        default="hfrrf",
        description="hfrrf: 1 only if format and answer are both right, else 0 (v1, v4 section 3.4). "
        "format_plus_result: the mean of a format reward and a result reward, ratio 1:1, as for Vision-R1-Zero (v1, v4"
        " section 3.1).",
    )
    strictness: Literal["strict", "lenient"] = Field(
        default="strict",
        description="strict: the completion is `<think>...</think><answer> Final Answer:X </answer>` and nothing "
        "else, each tag once, to the blank. lenient: white space around tags and answer is free and `Final Answer:` "
        "may be missing. HFRRF's pattern: not stated; strict follows the paper's samples (v1 Figs. 5-7) and its "
        "evaluator's pattern (repo). Zero's prompt asks for the tags alone (v1, v4 section 3.1), which lenient takes.",
    )
    matcher: Literal["layered", "math-verify", "exact"] = Field(
        default="layered",
        description="What makes two answers equal. layered: equal strings, numbers, units or choices, else "
        "Math-Verify in a killable worker. math-verify: that library alone. exact: layered without Math-Verify. "
        "Not stated.",
    )
    precision: int = Field(
        default=6,
        ge=0,
        le=15,
        description="Decimal places to which a float must agree with the gold. Not stated; Math-Verify's default.",
    )
    timeout_s: float = Field(
        default=5.0,
        gt=0,
        le=600,
        description="Wall-clock seconds for one comparison; past it the worker is killed, the outcome is `timeout` "
        "and the reward 0. Not stated.",
    )
    memory_mb: int = Field(
        default=2048,
        ge=512,
        description="Address space of one grading worker in MiB. Not stated.",
    )
    workers: int = Field(default=1, ge=1, le=256, description="Grading processes. Not stated.")

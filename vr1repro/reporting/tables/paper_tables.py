"""The paper's tables as data: which published numbers stand in which column. v4's numbering; v1's where it differs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Column = tuple[str, str, str]  # printed benchmark, subset, metric
ACCURACY, TOKENS, COUNT, SCORE = "accuracy_%", "avg_output_tokens", "count", "score"


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One printed table.

    Attributes:
        title: What it shows, with its number.
        table: Its name in `published`.
        version: The paper's version that it is of.
        columns: The numbers below each printed head.
        marks: By head, the mark of each row (cold start, stages).
        new_arms: Whether arms that the paper does not have get rows.
        best: Whether its numbers are of best checkpoints; our arms' ends then get rows of their own, beside theirs.
    """

    key: str
    title: str
    table: str
    version: str
    columns: Mapping[str, Column]
    marks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    new_arms: bool = False
    best: bool = False


_MATHVISTA = {
    "GEO": ("MathVista", "GEO", ACCURACY),
    "ALG": ("MathVista", "ALG", ACCURACY),
    "GPS": ("MathVista", "GPS", ACCURACY),
    "MWP": ("MathVista", "MWP", ACCURACY),
    "MathVista": ("MathVista", "ALL", ACCURACY),
}
_MATHS = {name: (name, "", ACCURACY) for name in ("MathVista", "MathVerse", "MM-Math")}
_ABLATION_MARKS = {
    "Vision-R1-Zero": ("no", "yes", "no"),
    "Vision-R1-CI": ("yes", "no", "no"),
    "Vision-R1-Long": ("yes", "yes", "no"),
    "Vision-R1 (Ours)": ("yes", "yes", "yes"),
}
_STAGES = {
    "4Kx16 > 4Kx16": "4Kx16, 4Kx16",
    "4Kx16 > 8Kx16": "4Kx16, 8Kx16",
    "4Kx16 > 6Kx12 > 8Kx8": "4Kx16, 6Kx12, 8Kx8",
    "Vision-R1-Long": "16Kx4, 16Kx4",
    "16Kx16 > 16Kx16": "16Kx16, 16Kx16",
    "Vision-R1 (Ours)": "4Kx16, 8Kx8",
}
_WORDS = ("Wait", "Hmm", "Mistake", "Alternatively", "Check")

_LLAMA = {
    **{name: (name, "", ACCURACY) for name in ("MMStar", "ChartQA")},
    "MME": ("MME", "sum", SCORE),
    "HallBench": ("HallBench", "", ACCURACY),
    **_MATHS,
}
_ABLATION = {
    "Avg. Len.": ("10K RL training set", "", TOKENS),
    "Avg. Acc.": ("Avg. of MathVista/MathVerse/MM-Math", "", ACCURACY),
}
_ABLATED = {
    name: {model: marks[k] for model, marks in _ABLATION_MARKS.items()}
    for k, name in enumerate(("Cold start", "GRPO", "PTST"))
}
_COUNTS = {word: ("self-reflection words", word, COUNT) for word in _WORDS}
_FIGURE_ONE = "v1,README (v4 caption the same, v4 image not seen)"

SPECS = (
    Spec(
        key="T1",
        title="Main results (v4 Table 1)",
        table="Table 1",
        version="v4",
        columns={
            **_MATHVISTA,
            "MathVerse": ("MathVerse", "ALL", ACCURACY),
            "MM-Math": ("MM-Math", "Average", ACCURACY),
            "DynaMath": ("DynaMath", "Overall", ACCURACY),
            "Avg": ("Avg.", "4-benchmark mean", ACCURACY),
        },
        new_arms=True,
    ),
    Spec(
        key="T1v1",
        title="Main results (v1 Table 1)",
        table="Table 1",
        version="v1",
        columns={
            "GEO": _MATHVISTA["GEO"],
            "ARI": ("MathVista", "ARI", ACCURACY),
            "GPS": _MATHVISTA["GPS"],
            "MWP": _MATHVISTA["MWP"],
            "MathVista": _MATHVISTA["MathVista"],
            "MathVerse": ("MathVerse", "ALL", ACCURACY),
            "MM-Math": ("MM-Math", "Average", ACCURACY),
            "Avg": ("Avg.", "3-benchmark mean", ACCURACY),
        },
    ),
    Spec(
        key="T2",
        title="Llama-3.2-11B-Vision on the cold-start set (v4 Table 2)",
        table="Table 2",
        version="v4",
        columns=_LLAMA,
    ),
    Spec(
        key="T3v1",
        title="Llama-3.2-11B-Vision on the cold-start set (v1 Table 3)",
        table="Table 3",
        version="v1",
        columns=_LLAMA,
    ),
    Spec(key="T3", title="Ablation (v4 Table 3)", table="Table 3", version="v4", columns=_ABLATION, marks=_ABLATED),
    Spec(key="T4v1", title="Ablation (v1 Table 4)", table="Table 4", version="v1", columns=_ABLATION, marks=_ABLATED),
    Spec(
        key="T4",
        title="Self-reflection words in the cold-start set (v4 Table 4)",
        table="Table 4",
        version="v4",
        columns=_COUNTS,
    ),
    Spec(
        key="T2v1",
        title="Self-reflection words in the cold-start set (v1 Table 2)",
        table="Table 2",
        version="v1",
        columns=_COUNTS,
    ),
    Spec(
        key="F1C",
        title="Self-reflection words in 50 responses to MathVerse (Figure 1 C)",
        table="Fig. 1C",
        version=_FIGURE_ONE,
        columns={word: ("MathVerse", f"50 samples, word {word}", COUNT) for word in ("Wait", "Hmm", "Alternatively")},
    ),
    Spec(
        key="T5",
        title="Progressive Thinking Suppression Training (v4 Table 5)",
        table="Table 5",
        version="v4",
        columns={**_MATHS, "Avg": ("Avg. (3)", "", ACCURACY)},
        marks={"Stages": _STAGES},
        best=True,
    ),
    Spec(
        key="T6",
        title="Cold start (v4 Table 6)",
        table="Table 6",
        version="v4",
        columns={**_MATHS, "Avg": ("Avg. (3)", "", ACCURACY)},
        best=True,
    ),
    Spec(
        key="README",
        title="README, Performance",
        table="README Performance",
        version="README",
        columns={
            "MathVista": ("MathVista", "ALL", ACCURACY),
            "MathVerse": ("MathVerse", "ALL", ACCURACY),
            "Vision Only": ("MathVerse", "mini Vision_Only", ACCURACY),
            "MM-Math": ("MM-Math", "Average", ACCURACY),
            "DynaMath": ("DynaMath", "Overall; Avg", ACCURACY),
            "Avg": ("Avg.", "5-column mean", ACCURACY),
        },
    ),
)

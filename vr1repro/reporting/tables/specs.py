"""The paper's tables as data: which published numbers stand in which column. v4's numbering; v1's where it differs."""

from collections.abc import Mapping
from dataclasses import dataclass

Column = tuple[str, str, str]  # printed benchmark, subset, metric
ACCURACY, TOKENS, COUNT, SCORE = "accuracy_%", "avg_output_tokens", "count", "score"


@dataclass(frozen=True)
class Spec:
    """One printed table.

    Attributes:
        key: Ours.
        title: What it shows, with its number.
        table: Its name in `published`.
        version: The paper's version that it is of.
        columns: By printed head, which numbers stand below it.
        marks: By head, what each row is marked with (cold start, stages).
        new_arms: Whether arms that the paper does not have get rows.
    """

    key: str
    title: str
    table: str
    version: str
    columns: Mapping[str, Column]
    marks: Mapping[str, Mapping[str, str]]
    new_arms: bool = False


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
        "T1",
        "Main results (v4 Table 1)",
        "Table 1",
        "v4",
        {
            **_MATHVISTA,
            "MathVerse": ("MathVerse", "ALL", ACCURACY),
            "MM-Math": ("MM-Math", "Average", ACCURACY),
            "DynaMath": ("DynaMath", "Overall", ACCURACY),
            "Avg": ("Avg.", "4-benchmark mean", ACCURACY),
        },
        {},
        new_arms=True,
    ),
    Spec(
        "T1v1",
        "Main results (v1 Table 1)",
        "Table 1",
        "v1",
        {
            "GEO": _MATHVISTA["GEO"],
            "ARI": ("MathVista", "ARI", ACCURACY),
            "GPS": _MATHVISTA["GPS"],
            "MWP": _MATHVISTA["MWP"],
            "MathVista": _MATHVISTA["MathVista"],
            "MathVerse": ("MathVerse", "ALL", ACCURACY),
            "MM-Math": ("MM-Math", "Average", ACCURACY),
            "Avg": ("Avg.", "3-benchmark mean", ACCURACY),
        },
        {},
    ),
    Spec("T2", "Llama-3.2-11B-Vision on the cold-start set (v4 Table 2)", "Table 2", "v4", _LLAMA, {}),
    Spec("T3v1", "Llama-3.2-11B-Vision on the cold-start set (v1 Table 3)", "Table 3", "v1", _LLAMA, {}),
    Spec("T3", "Ablation (v4 Table 3)", "Table 3", "v4", _ABLATION, _ABLATED),
    Spec("T4v1", "Ablation (v1 Table 4)", "Table 4", "v1", _ABLATION, _ABLATED),
    Spec("T4", "Self-reflection words in the cold-start set (v4 Table 4)", "Table 4", "v4", _COUNTS, {}),
    Spec("T2v1", "Self-reflection words in the cold-start set (v1 Table 2)", "Table 2", "v1", _COUNTS, {}),
    Spec(
        "F1C",
        "Self-reflection words in 50 responses to MathVerse (Figure 1 C)",
        "Fig. 1C",
        _FIGURE_ONE,
        {word: ("MathVerse", f"50 samples, word {word}", COUNT) for word in ("Wait", "Hmm", "Alternatively")},
        {},
    ),
    Spec(
        "T5",
        "Progressive Thinking Suppression Training (v4 Table 5)",
        "Table 5",
        "v4",
        {**_MATHS, "Avg": ("Avg. (3)", "", ACCURACY)},
        {"Stages": _STAGES},
    ),
    Spec("T6", "Cold start (v4 Table 6)", "Table 6", "v4", {**_MATHS, "Avg": ("Avg. (3)", "", ACCURACY)}, {}),
    Spec(
        "README",
        "README, Performance",
        "README Performance",
        "README",
        {
            "MathVista": ("MathVista", "ALL", ACCURACY),
            "MathVerse": ("MathVerse", "ALL", ACCURACY),
            "Vision Only": ("MathVerse", "mini Vision_Only", ACCURACY),
            "MM-Math": ("MM-Math", "Average", ACCURACY),
            "DynaMath": ("DynaMath", "Overall; Avg", ACCURACY),
            "Avg": ("Avg.", "5-column mean", ACCURACY),
        },
        {},
    ),
)

"""All figures by name, of a run and of a comparison: title, caption, files that each is made from. Draws nothing."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FigureKind:
    """What the report says of a figure; `build` knows how it is drawn.

    Attributes:
        caption: What it shows in words (the page's alternative text).
        reads: Glob patterns of the run's files that it is made from; `{protocol}` and `{profile}` are the headline's.
    """

    title: str
    caption: str
    reads: tuple[str, ...]


_RESPONSES = "eval/*/*/{protocol}/e*/responses.jsonl"
_VERDICTS = "eval/*/*/{protocol}/e*/verdicts/{profile}.jsonl"
_QUESTIONS = "problems/*/**/*.parquet"
_STEPS = "train/*/s*/stage*/steps.jsonl"
_SCORES = (_RESPONSES, _VERDICTS, _QUESTIONS)

FIGURES: Mapping[str, FigureKind] = {
    "figure1": FigureKind(
        "Figure 1 A-F",
        "The paper's Figure 1 from this run: A length classes and accuracy of CI on MathVerse, B MathVista accuracy,"
        " C reflection words, D completion length, E mean accuracy and F reward over RL steps. Grey: the paper.",
        (*_SCORES, _STEPS),
    ),
    "classes": FigureKind(
        "What stage 2 changes, class by class",
        "Accuracy by class of question at the ends of stages 1 and 2, with intervals.",
        _SCORES,
    ),
    "length-accuracy": FigureKind(
        "Length against accuracy",
        "Accuracy against response length for every arm, with bootstrap bands; truncated responses apart.",
        _SCORES,
    ),
    "training": FigureKind(
        "Training curves",
        "Reward, entropy, KL, completion length, share cut at the limit and share of groups without variance over the"
        " RL steps of every arm, with stage borders.",
        (_STEPS,),
    ),
    "graders": FigureKind(
        "Graders and protocols",
        "Mean accuracy of every arm under each protocol and scoring profile.",
        ("eval/*/*/*/e*/responses.jsonl", "eval/*/*/*/e*/verdicts/*.jsonl", _QUESTIONS),
    ),
    "coldset": FigureKind(
        "Yield of the cold-start set",
        "Problems kept and rejected by each rule of Modality Bridging.",
        ("coldset/yield.json",),
    ),
    "descriptions": FigureKind(
        "Descriptions with and without Pseudo-CoT",
        "How often the reasoner comes to the right answer from descriptions written with a Pseudo-CoT and without, on"
        " the same problems, and how long they are. The paper's v1 Figure 3 (v4 Figure 5) shows one such example.",
        ("coldset/ablation.jsonl",),
    ),
}

# Of `vr1repro compare`, which has no training to show.
COMPARED_FIGURES: Mapping[str, FigureKind] = {
    "by-class": FigureKind(
        "Accuracy by class of question",
        "Accuracy of each model on each benchmark and its sub-scores, with intervals, beside the published scores.",
        _SCORES,
    ),
    "by-length": FigureKind(
        "Accuracy by length of response",
        "Accuracy of each model in classes of response length, with bootstrap bands; lines: published overall scores.",
        _SCORES,
    ),
    "graders": FIGURES["graders"],
}

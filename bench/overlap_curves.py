"""Precision and recall of the overlap report by threshold, for text, picture and both, on real problems.

    python bench/overlap_curves.py --data ../shared/data [--record results/reference/verify]

Copies (should be found): MathVision problems re-encoded, rescaled, cropped by 5 % a side, reworded by a fixed table,
with options shuffled, and with all of that at once. Not copies: the same template with other numbers, beside the most
alike picture of another problem; and the most alike other problems. What the curves of one half of the problems say is
measured on the other. Real data without labels, by text: MathVista against MathVerse, and MathVision against itself
(years of one contest repeat problems in other words): problems with a match by threshold, and how many of these have
equal gold answers, a sign of their being one problem.
"""

import argparse
import csv
import io
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vr1repro.answers.compare import cheap
from vr1repro.config.problems import OverlapSettings, ProblemSource
from vr1repro.core.provenance import made
from vr1repro.core.records import Outcome, Problem, sha256
from vr1repro.problems.load import Skips, load_problems
from vr1repro.problems.overlap import Index, Item, both, image_score, item
from vr1repro.reporting.figures import style

MEASURES = ("text", "image", "both")
# Which copies put a measure to the test; the others leave what it looks at as it was.
TESTS = {
    "text": ("reworded", "shuffled", "all"),
    "image": ("re-encoded", "rescaled", "cropped", "all"),
    "both": ("re-encoded", "rescaled", "cropped", "reworded", "shuffled", "all"),
}
# Applied in order, whole words, any case.
WORDINGS = (
    ("what is the", "find the"), ("how many", "what is the number of"), ("in the figure", "in the diagram"),
    ("which of the following", "which one of these"), ("in the picture", "in the drawing"),
    ("the picture shows", "shown here is"), ("the figure shows", "shown here is"), ("is equal to", "equals"),
    ("the diagram shows", "shown here is"), ("shown", "displayed"), ("below", "underneath"), ("find", "determine"),
    ("each", "every"), ("big", "large"), ("whole", "entire"), ("same", "identical"), ("has", "possesses"),
    ("must", "has to"), ("smallest", "least"), ("largest", "greatest"), ("made of", "built from"), ("choose", "pick"),
    ("altogether", "in total"),
)  # fmt: skip
# Not that of a picture's place in the text.
_NUMBER = re.compile(r"(?<!<image)(?<!\d)\d+")


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """A picture's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def edit(data: bytes, *, scale: float = 1.0, crop: float = 0.0, jpeg: bool = False) -> bytes:
    """A picture scaled, cropped by a share of each side, and as PNG or JPEG."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    across, down = round(image.width * crop), round(image.height * crop)
    image = image.crop((across, down, image.width - across, image.height - down))
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
    return encoded(image, "JPEG", quality=60) if jpeg else encoded(image, "PNG")


def reworded(text: str, rng: random.Random) -> str:
    """Other words by the table, an opening, and for every second problem the last sentence first."""
    for old, new in WORDINGS:
        text = re.sub(rf"\b{old}\b", new, text, flags=re.IGNORECASE)
    *before, last = re.split(r"(?<=[.?!])\s+", text.strip())
    parts = [last, *before] if rng.random() < 0.5 else [*before, last]
    return " ".join(["Look at the drawing.", *parts])


def shuffled(problem: Problem, rng: random.Random) -> list[str] | None:
    """The options in another order."""
    return rng.sample(problem.choices, len(problem.choices)) if problem.choices else None


def copies(problem: Problem, rng: random.Random) -> Iterator[tuple[str, Problem]]:
    """What somebody may have made of a benchmark's problem before it came into a training set."""
    image = problem.image or b""
    text, choices = reworded(problem.question, rng), shuffled(problem, rng)
    edits: dict[str, dict[str, Any]] = {
        "re-encoded": {"image": edit(image, jpeg=True)},
        "rescaled": {"image": edit(image, scale=0.5)},
        "cropped": {"image": edit(image, crop=0.05)},
        "reworded": {"question": text},
        "all": {"image": edit(image, scale=0.7, crop=0.05, jpeg=True), "question": text, "choices": choices},
    }
    if choices:
        edits["shuffled"] = {"choices": choices}
    yield from ((name, problem.model_copy(update=values)) for name, values in edits.items())


def other_numbers(problem: Problem, rng: random.Random) -> Problem | None:
    """The problem's template with other numbers; None where its question has none."""

    def other(match: re.Match[str]) -> str:
        return str(int(match.group()) + rng.randint(1, 9))

    if not _NUMBER.search(problem.question):
        return None
    choices = [_NUMBER.sub(other, choice) for choice in problem.choices] if problem.choices else None
    return problem.model_copy(update={"question": _NUMBER.sub(other, problem.question), "choices": choices})


@dataclass(frozen=True)
class Scored:
    """A pair with its scores by measure."""

    kind: str
    same: bool
    half: int
    scores: dict[str, float]
    ids: tuple[str, str]


def pairs(problems: list[Problem], index: Index) -> list[Scored]:
    """All copies and all that are none, scored."""
    rng = random.Random(1)
    items = [item(problem) for problem in problems]

    def score(kind: str, same: bool, one: Item, other: Item) -> Scored:
        text, image = index.text_score(one, other), image_score(one.hashes, other.hashes)
        half = int(sha256(other.id)[0], 16) % 2
        return Scored(kind, same, half, {"text": text, "image": image, "both": both(text, image)}, (one.id, other.id))

    found = []
    for number, (problem, own) in enumerate(zip(problems, items, strict=True)):
        found += [score(kind, True, item(copy), own) for kind, copy in copies(problem, rng)]
        others = [other for place, other in enumerate(items) if place != number]
        rivals = [score("another", False, other, own) for other in others]
        most = {measure: max(rivals, key=by(measure)) for measure in MEASURES}
        found += {pair.ids: pair for pair in most.values()}.values()
        alike = others[rivals.index(most["image"])]
        picture = problems[items.index(alike)].image
        if (changed := other_numbers(problem, rng)) is not None:
            found.append(score("other numbers", False, item(changed.model_copy(update={"image": picture})), own))
    return found


def by(measure: str) -> Callable[[Scored], float]:
    """A pair's score by a measure."""
    return lambda pair: pair.scores[measure]


def curve(scored: list[Scored], measure: str) -> list[dict[str, Any]]:
    """Precision, recall and F1 at every threshold from 0.02 to 1."""
    tested = [pair for pair in scored if not pair.same or pair.kind in TESTS[measure]]
    same = np.array([pair.same for pair in tested])
    values = np.array([pair.scores[measure] for pair in tested])
    rows = []
    for step in range(1, 51):
        threshold = step / 50
        hit = values >= threshold - 1e-9
        right = int((hit & same).sum())
        precision, recall = right / max(1, int(hit.sum())), right / int(same.sum())
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        rows.append({"measure": measure, "threshold": threshold, "precision": round(precision, 4),
                     "recall": round(recall, 4), "f1": round(f1, 4)})  # fmt: skip
    return rows


def by_rule(scored: list[Scored], settings: OverlapSettings) -> dict[str, Any]:
    """What the report as a whole says: any of the three thresholds reached."""

    def hit(pair: Scored) -> bool:
        return any(pair.scores[measure] >= getattr(settings, measure) for measure in MEASURES)

    kinds: dict[str, list[bool]] = {}
    for pair in scored:
        kinds.setdefault(pair.kind, []).append(hit(pair))
    right, flagged = sum(hit(pair) for pair in scored if pair.same), sum(map(hit, scored))
    return {
        "precision": round(right / flagged, 4), "recall": round(right / sum(pair.same for pair in scored), 4),
        "found": {kind: f"{sum(hits)} of {len(hits)}" for kind, hits in sorted(kinds.items())},
    }  # fmt: skip


def unlabelled(training: list[Problem], benchmark: list[Problem]) -> list[dict[str, Any]]:
    """Problems with a match by text among real ones, by threshold, and how many of them have equal gold answers."""
    index = Index([item(problem) for problem in benchmark])
    golds = {(problem.source, problem.id): problem.answer for problem in benchmark}
    found = []
    for problem in training:
        matches = index.matches(item(problem), OverlapSettings(text=0.3, both=1.0))
        others = [match for match in matches if _key(match.benchmark) != _key(match.problem)]
        if others:
            same = cheap(golds[_key(others[0].benchmark)], problem.answer, problem.choices) is Outcome.RIGHT
            found.append((others[0].text, same))
    rows = []
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        equal = [same for text, same in found if text >= threshold - 1e-9]
        rows.append({"threshold": threshold, "problems": len(equal), "equal_gold_answers": sum(equal)})
    return rows


def _key(one: Item) -> tuple[str, str]:
    return one.source, one.id


def draw(folder: Path, curves: list[dict[str, Any]], settings: OverlapSettings) -> None:
    """Precision over recall, the defaults marked."""
    with style.drawing():
        figure, axes = style.new_figure(6.6, 2.4, columns=3)
        for measure, panel in zip(MEASURES, axes, strict=True):
            rows = [row for row in curves if row["measure"] == measure and row["half"] == "other"]
            panel.plot([row["recall"] for row in rows], [row["precision"] for row in rows], marker=".", markersize=3)
            threshold = getattr(settings, measure)
            row = min(rows, key=lambda row: abs(row["threshold"] - threshold))
            panel.plot(row["recall"], row["precision"], "o", markersize=6, markerfacecolor="none")
            panel.set(title=f"{measure} (default {threshold:g})", xlabel="recall", xlim=(0, 1.03), ylim=(0, 1.03))
        axes[0].set_ylabel("precision")
        style.save(figure, folder, "overlap-curves")


def main() -> None:
    """Score, choose, measure, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="The folder of real benchmark data.")
    parser.add_argument("--record", type=Path, help="Folder to write overlap-curves.{csv,json,svg} into.")
    asked = parser.parse_args()

    def rows(path: str) -> list[Problem]:
        source = ProblemSource(kind="path", path=str(asked.data / path), text_only=True)
        return list(load_problems(source, Skips(), blind=True))

    problems, settings = rows("mathvision/problems-240.parquet"), OverlapSettings()
    questions = rows("mathvision/questions.jsonl")
    index = Index([item(problem) for problem in questions])
    scored = pairs(problems, index)
    halves = [[pair for pair in scored if pair.half == half] for half in (0, 1)]
    curves, best = [], {}
    for measure in MEASURES:
        chosen, measured = (curve(half, measure) for half in halves)
        best[measure] = max(chosen, key=lambda row: row["f1"])
        curves += [{**row, "half": name} for name, part in (("one", chosen), ("other", measured)) for row in part]
    highest = {name: round(max(pair.scores[name] for pair in scored if not pair.same), 4) for name in MEASURES}
    result: dict[str, Any] = {
        "command": "python bench/overlap_curves.py --data ../shared/data",
        "pairs": len(scored), "copies": sum(pair.same for pair in scored), "defaults": settings.model_dump(),
        "best_f1_on_one_half": best, "highest_score_of_no_copy": highest,
        "defaults_on_the_other_half": by_rule(halves[1], settings),
        "mathvista_1000_against_mathverse_788": unlabelled(
            rows("mathvista/testmini.jsonl"), rows("mathverse/testmini_text_only.jsonl")
        ),
        "mathvision_3040_against_itself": unlabelled(questions, questions),
    }  # fmt: skip
    print(json.dumps(result, indent=2))
    if asked.record:
        asked.record.mkdir(parents=True, exist_ok=True)
        with (asked.record / "overlap-curves.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(curves[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(curves)
        text = json.dumps({**result, "made": made()}, indent=2, sort_keys=True) + "\n"
        (asked.record / "overlap-curves.json").write_text(text)
        draw(asked.record, curves, settings)


if __name__ == "__main__":
    main()

"""Rows a second of the grader against plain Math-Verify loops, on MathVision's real model outputs.

Every way starts from the same rows, gold answer, response and choices, and works in a process of its own, cold; imports
are not counted. The loops are what most projects run, one row after the other, for a question with choices with
Math-Verify's own reading of letters:

- response: `verify(parse(gold), parse(response))`.
- answer: the same on the answer that our rule extracts, so that the ways differ in the comparison alone.
- ours: the same answer through the grader: cheap and certain checks, equal work once, killable workers.

Rows whose verdicts differ are counted by cause: most are letters that Math-Verify does not read, as in `(C)`.

    python bench/grading.py --data ../shared/data/mathvision --out results/reference/bench/grading.json
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vr1repro.answers.compare import choice_index
from vr1repro.answers.extract import final_answer
from vr1repro.answers.grade import Grader, Pair
from vr1repro.answers.units import plain
from vr1repro.core.files import write_atomically
from vr1repro.core.jsonl import read_lines
from vr1repro.core.provenance import made
from vr1repro.core.records import Outcome

Row = tuple[str, str, tuple[str, ...] | None]


def read(data: Path, files: int | None) -> list[Row]:
    """Gold, response and choices of every row."""
    questions = {str(row["id"]): row for _, row in read_lines(data / "questions.jsonl")}
    return [
        (str(question["answer"]), str(row["response"]), tuple(map(str, question["options"])) or None)
        for path in sorted((data / "outputs").glob("*.jsonl"))[:files]
        for _, row in read_lines(path)
        for question in (questions[str(row["id"])],)
    ]


def extracted(response: str) -> str:
    """The answer of a response, or its end where there is none."""
    answer = final_answer(response)
    return answer.text if answer else response[-200:]


def loop(rows: list[Row], text: Callable[[str], str]) -> tuple[float, list[bool]]:
    """Math-Verify alone. Seconds and verdicts."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, StringExtractionConfig, parse, verify

    plain = (LatexExtractionConfig(), ExprExtractionConfig())
    letters = (*plain, StringExtractionConfig(strings=("A", "B", "C", "D", "E")))
    parse("1")
    began = time.perf_counter()
    found = []
    for gold, response, choices in rows:
        targets = letters if choices else plain
        found.append(bool(verify(parse(gold, targets), parse(text(response), targets))))
    return time.perf_counter() - began, found


def ours(rows: list[Row], workers: int) -> tuple[float, list[bool]]:
    """Our grader. Seconds and verdicts."""
    with Grader(workers=workers, timeout_s=10) as grader:
        grader.equivalent("1", r"\sin x")  # starts the workers, for only they can tell
        began = time.perf_counter()
        pairs = (Pair(gold, extracted(response), choices) for gold, response, choices in rows)
        found = [outcome is Outcome.RIGHT for outcome in grader.grade(pairs)]
        return time.perf_counter() - began, found


WAYS: dict[str, Callable[[list[Row], int], tuple[float, list[bool]]]] = {
    "response": lambda rows, workers: loop(rows, lambda response: response),
    "answer": lambda rows, workers: loop(rows, extracted),
    "ours": ours,
}


def cause(gold: str, answer: str, choices: tuple[str, ...] | None, right_here: bool) -> str:
    """Why our verdict on an answer differs from that of a plain loop, which compares with the gold as it is written."""
    if choices and right_here:
        if re.fullmatch(rf"\W*{re.escape(gold)}\W*", plain(answer)):
            return "right here: the letter in brackets, dressed as LaTeX or with a mark, which the loop does not read"
        if choice_index(answer, ["?"] * len(choices)) is not None:
            return "right here: the letter and the choice's text"
        return "right here: the choice's text or value instead of its letter"
    if choices:
        return "wrong here: more than one choice, or prose, of which the loop takes a letter"
    if right_here:
        return "right here: the loop reads no bare formula, tuple or letter that is not marked as LaTeX"
    return "wrong here: the loop takes the first number of a bare formula, a ratio or a time for the answer"


def differing(rows: list[Row], ours: list[bool], theirs: list[bool]) -> list[dict[str, Any]]:
    """The rows that two ways judge differently, by cause, with the most frequent of each."""
    found: dict[str, Counter[tuple[str, str]]] = {}
    for (gold, response, choices), mine, other in zip(rows, ours, theirs, strict=True):
        if mine != other:
            answer = extracted(response)
            found.setdefault(cause(gold, answer, choices, mine), Counter())[gold, answer[:60]] += 1
    table = [
        {"cause": name, "rows": count.total(),
         "examples": [{"gold": gold, "answer": answer, "rows": n} for (gold, answer), n in count.most_common(5)]}
        for name, count in found.items()
    ]  # fmt: skip
    return sorted(table, key=lambda row: -row["rows"])


def main() -> None:
    """Measure and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--files", type=int, default=None, help="only the first models")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--way", choices=WAYS, help="run one and print its seconds and verdicts, and no more")
    asked = parser.parse_args()
    rows = read(asked.data, asked.files)
    if asked.way:
        print(json.dumps(WAYS[asked.way](rows, asked.workers)))
        return
    seconds: dict[str, float] = {}
    verdicts: dict[str, list[bool]] = {}
    for way in WAYS:
        command = [sys.executable, __file__, *sys.argv[1:], "--way", way]
        with tempfile.TemporaryFile() as warnings:
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=warnings, text=True)
        seconds[way], verdicts[way] = json.loads(done.stdout)
    table = []
    for way, taken in seconds.items():
        same = sum(mine == other for mine, other in zip(verdicts["ours"], verdicts[way], strict=True))
        table.append({"way": way, "seconds": taken, "rows_a_second": len(rows) / taken,
                      "ours_is_faster_by": taken / seconds["ours"], "same_verdict": same,
                      "right": sum(verdicts[way])})  # fmt: skip
        print(f"{way:10} {taken:8.1f} s {len(rows) / taken:8.0f} rows/s, ours {taken / seconds['ours']:5.1f} x"
              f"   right {sum(verdicts[way])}, same verdict {same} of {len(rows)}", flush=True)  # fmt: skip
    differences = {way: differing(rows, verdicts["ours"], verdicts[way]) for way in ("answer", "response")}
    for way, causes in differences.items():
        print(f"where ours and the loop over the {way} differ:")
        for row in causes:
            print(f"  {row['rows']:5} {row['cause']}")
            for example in row["examples"][:3]:
                print(f"        {example['rows']:3} x gold {example['gold']!r}, answer {example['answer']!r}")
    if asked.out:
        record = {
            "rows": len(rows),
            "workers": asked.workers,
            "ways": table,
            "differences": differences,
            "made": made(),
        }
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(asked.out, json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Rows a second of the grader against a plain Math-Verify loop, on MathVision's real model outputs.

Both get the same rows: the gold answer, the answer that our rule extracts from the response, and the choices. The loop
is what most projects run, one row after the other: `verify(parse(gold), parse(answer))`, for a question with choices
with Math-Verify's own reading of letters. Every pass starts cold, in a process of its own, imports not counted.

    python bench/grading.py --data ../shared/data/mathvision --out results/reference/bench/grading.json
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from vr1repro.answers.extract import final_answer
from vr1repro.answers.grade import Grader, Pair
from vr1repro.files import write_atomically
from vr1repro.jsonl import read_lines
from vr1repro.provenance import made
from vr1repro.records import Outcome

WAYS = ("loop", "ours")
Row = tuple[str, str, tuple[str, ...] | None]


def read(data: Path, files: int | None) -> list[Row]:
    """Gold, extracted answer and choices of every row; a response without an answer gives its end."""
    questions = {str(row["id"]): row for _, row in read_lines(data / "questions.jsonl")}
    found: list[Row] = []
    for path in sorted((data / "outputs").glob("*.jsonl"))[:files]:
        for _, row in read_lines(path):
            text, question = str(row["response"]), questions[str(row["id"])]
            answer = final_answer(text)
            choices = tuple(map(str, question["options"])) or None
            found.append((str(question["answer"]), answer.text if answer else text[-200:], choices))
    return found


def loop(rows: list[Row]) -> list[bool]:
    """Math-Verify alone."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, StringExtractionConfig, parse, verify

    plain = (LatexExtractionConfig(), ExprExtractionConfig())
    letters = (*plain, StringExtractionConfig(strings=("A", "B", "C", "D", "E")))
    parse("1")
    began = time.perf_counter()
    found = []
    for gold, pred, choices in rows:
        targets = letters if choices else plain
        found.append(bool(verify(parse(gold, targets), parse(pred, targets))))
    print(time.perf_counter() - began, file=sys.stderr)
    return found


def ours(rows: list[Row], workers: int) -> list[bool]:
    """Our grader."""
    with Grader(workers=workers, timeout_s=10) as grader:
        grader.equivalent("1", "x+1")  # starts the workers
        began = time.perf_counter()
        found = [outcome is Outcome.RIGHT for outcome in grader.grade(Pair(*row) for row in rows)]
        print(time.perf_counter() - began, file=sys.stderr)
    return found


def main() -> None:
    """Measure and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--files", type=int, default=None, help="only the first models")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--way", choices=WAYS, help="run one and print its verdicts, and no more")
    asked = parser.parse_args()
    rows = read(asked.data, asked.files)
    if asked.way:
        verdicts = loop(rows) if asked.way == "loop" else ours(rows, asked.workers)
        print(json.dumps(verdicts))
        return
    verdicts, seconds = {}, {}
    for way in WAYS:
        command = [sys.executable, __file__, *sys.argv[1:], "--way", way]
        with tempfile.TemporaryFile("w+") as told:
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=told, text=True)
            told.seek(0)
            seconds[way] = float(told.read().split()[-1])
        verdicts[way] = json.loads(done.stdout)
        rate = len(rows) / seconds[way]
        same = sum(a == b for a, b in zip(verdicts[way], verdicts["loop"], strict=True))
        print(f"{way:12} {seconds[way]:8.1f} s {rate:8.0f} rows/s {seconds['loop'] / seconds[way]:6.1f} x"
              f"   same verdict as the loop: {same} of {len(rows)}", flush=True)  # fmt: skip
    differ = Counter(
        (*row[:2], mine) for row, mine, theirs in zip(rows, verdicts["ours"], verdicts["loop"], strict=True)
        if mine != theirs
    )  # fmt: skip
    for (gold, pred, mine), n in differ.most_common(20):
        print(f"  {n:5} x {'right' if mine else 'wrong'} here only: gold {gold!r}, answer {pred[:60]!r}")
    if asked.out:
        record = {"rows": len(rows), "distinct_rows": len(set(rows)), "workers": asked.workers, "seconds": seconds,
                  "same_as_loop": {way: sum(a == b for a, b in zip(found, verdicts["loop"], strict=True))
                                   for way, found in verdicts.items()}, "made": made()}  # fmt: skip
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(asked.out, json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Responses that are made to hang, crash or run a grader, through the command line, under every profile."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vr1repro.benchmarks import lookup
from vr1repro.core.jsonl import write_rows

QUESTIONS = {
    "mathvista": [
        {"pid": "c", "question": "?", "question_type": "multi_choice", "answer_type": "text", "choices": ["6cm", "7cm"],
         "answer": "7cm", "metadata": {}},
        {"pid": "n", "question": "?", "question_type": "free_form", "answer_type": "integer", "choices": None,
         "answer": "7", "metadata": {}},
    ],
    "mathverse": [
        {"sample_index": "c", "question": "? Choices:\nA:1\nB:2", "question_type": "multi-choice", "answer": "B"},
        {"sample_index": "n", "question": "?", "question_type": "free-form", "answer": "\\frac{1}{2}"},
    ],
    "mmmath": [{"id": "c", "solution": "\\boxed{7}"}, {"id": "n", "solution": "\\boxed{\\frac{1}{2},\\sqrt{3}}"}],
    "dynamath": [
        {"id": "c", "question": "?", "answer": "B", "answer_type": "multiple choice", "seed": "c"},
        {"id": "n", "question": "?", "answer": "0.5", "answer_type": "float", "seed": "n"},
    ],
    "mathvision": [
        {"id": "c", "question": "?", "options": ["1", "2"], "answer": "B", "level": 1, "subject": "logic"},
        {"id": "n", "question": "?", "options": [], "answer": "\\frac{1}{2}", "level": 1, "subject": "logic"},
    ],
    "mmstar": [
        {"index": key, "question": "? Options: A: 1, B: 2", "answer": "B", "category": "math", "l2_category": "logic"}
        for key in ("c", "n")
    ],
    "chartqa": [{"id": key, "query": "?", "label": ["7"], "human_or_machine": 0} for key in ("c", "n")],
    "mme": [
        {"id": key, "question_id": key, "question": "?", "answer": "Yes", "category": "OCR"} for key in ("c", "n")
    ],
    "hallusionbench": [
        {"id": key, "category": "VD", "subcategory": "math", "visual_input": "1", "set_id": "0", "figure_id": key,
         "question_id": "0", "question": "?", "gt_answer": "1", "gt_answer_details": "It is.", "sample_note": "pi"}
        for key in ("c", "n")
    ],
}  # fmt: skip

# huggingface/Math-Verify#65 in short: a tower of powers that SymPy evaluates, unless somebody stops it.
HANGING = "\\boxed{\\dfrac{5^{(5^{(5^{(5^5)})}-4)}-5}{16}}"


def hostile(mark: Path) -> list[str]:
    call = f"__import__('os').system('touch {mark}')"
    texts = [
        call,
        f"\\boxed{{{call}}}",
        f"$\\sqrt{{{call}}}$",
        f"The answer is {call}",
        f'{{"short answer": "{call}"}}',
        f"<answer> Final Answer:{call} </answer>",
        "{" * 20_000,
        "\\boxed{" * 5_000 + "}" * 4_999,
        "\\boxed{" + "{" * 3_000 + "1" + "}" * 3_000 + "}",
        "((((((((" * 2_000,
        "<script>alert(1)</script><b>7</b>",
        "7\x00\x00",
        "\ud800 \\boxed{\udfff} \ud83d",
        "\u202e7\u202c \u2067\\boxed{7}\u2069",
        "\\boxed{9^{9^{9^{9}}}}",
        HANGING,
        "9" * 5_000,
        "-",
        "",
        "\n" * 1_000,
        "=cmd|' /C calc'!A0",
        "answer is " * 50_000,
        "x" * 10_000_000,
        "\\boxed{" + "9" * 10_000_000 + "}",
    ]
    return texts


def grade(folder: Path, slug: str, profile: str, *more: object) -> tuple[list[dict], str]:
    """The verdicts, and what the command printed."""
    command = [
        sys.executable, "-m", "vr1repro.cli", "grade", "--benchmark", slug, "--profile", profile,
        "--responses", folder / "r.jsonl", "--questions", folder / "q.jsonl", "--out", folder / "v.jsonl",
        "--timeout", "1", *more,
    ]  # fmt: skip
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    verdicts = [json.loads(line) for line in (folder / "v.jsonl").read_text().splitlines()]
    # Where nothing but an LLM could grade any row, who asked is told so.
    waits_for_llm = {row["verdict"] for row in verdicts} == {"judge_error"}
    assert done.returncode == (1 if waits_for_llm else 0), done.stderr[-2000:]
    return verdicts, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("slug", lookup.slugs())
def test_every_hostile_row_has_a_verdict_and_nothing_is_run(tmp_path: Path, slug: str) -> None:
    mark = tmp_path / "mark"
    write_rows(tmp_path / "q.jsonl", QUESTIONS[slug])
    texts = hostile(mark)
    # The text as response, and as what an LLM extracted from another one.
    rows = [{"id": key, "response": text, "eval_seed": k} for k, text in enumerate(texts) for key in ("c", "n")]
    # One that every benchmark can read: a file in which nothing can be parsed is refused as a whole.
    readable = "<answer> Final Answer:B </answer>" if slug == "mmstar" else "yes"
    rows.append({"id": "c", "response": readable, "eval_seed": 2 * len(texts)})
    if lookup.facts(slug).llm_extracted:
        rows += [
            {"id": key, "response": "?", "extraction": text, "eval_seed": len(texts) + k}
            for k, text in enumerate(texts[:-2])
            for key in ("c", "n")
        ]
    write_rows(tmp_path / "r.jsonl", rows)
    for profile in lookup.profiles(slug):
        verdicts, _ = grade(tmp_path, slug, profile)
        assert [row["id"] for row in verdicts] == [row["id"] for row in rows]
        assert {row["verdict"] for row in verdicts} <= {"right", "wrong", "unparsable", "timeout", "judge_error"}
        assert not mark.exists(), f"{slug} {profile} ran a model's text"


@pytest.mark.slow
def test_the_hanging_string_among_a_thousand_rows(tmp_path: Path) -> None:
    write_rows(tmp_path / "q.jsonl", [{"id": str(n), "question": "?", "options": [], "answer": str(n), "level": 1,
                                       "subject": "logic"} for n in range(1000)])  # fmt: skip
    replies = [f"So \\boxed{{{n}.0}}" for n in range(1000)]
    replies[500] = HANGING
    write_rows(tmp_path / "r.jsonl", [{"id": str(n), "response": reply} for n, reply in enumerate(replies)])
    rows, printed = grade(tmp_path, "mathvision", "rule")
    verdicts = [row["verdict"] for row in rows]
    assert verdicts.count("timeout") == 1
    assert verdicts[500] == "timeout"
    assert verdicts.count("right") == 999
    assert [number for number, row in enumerate(rows) if "cause" in row] == [500]
    assert rows[500]["cause"] == "time"
    assert "timeouts by cause: time 1" in printed

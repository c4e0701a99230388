"""LLM extraction and judging against a server, its failures included."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from llm_server import Asked, LlmServer, Reply, completion, failure
from typer.testing import CliRunner

from vr1repro.cli import app
from vr1repro.core.errors import BadResponses, UserError
from vr1repro.core.jsonl import write_rows
from vr1repro.evaluation.counted import response_rows
from vr1repro.evaluation.extract_and_judge import LlmFiles, extract_file, judge_file
from vr1repro.evaluation.llm import Asker, Llm, at

pytest.importorskip("openai")

FORMATS = Path(__file__).parent / "response_formats"
VISTA = {"question": "How many?", "query": "How many?", "choices": None, "question_type": "free_form",
         "answer_type": "integer", "answer": "7", "metadata": {}}  # fmt: skip
VERSE = {"question": "What?", "question_type": "free-form", "answer": "12", "problem_version": "Text Lite"}


class Scripted:
    """What it replies is in the prompt: `SAY x` makes it say x; while it is broken, some prompts get no good reply."""

    broken = False

    def __call__(self, asked: Asked) -> Reply:
        prompt = asked.text
        if self.broken and "BREAK" in prompt:
            return failure(500, "down")
        if self.broken and "GARBAGE" in prompt:
            return 200, b"<html>not json"
        if self.broken and "HANG" in prompt:
            return None
        words = re.findall(r"SAY (\S+)", prompt)
        text = "" if "EMPTY" in prompt else words[-1] if words else "what?"
        thought = {"reasoning_content": "Both are 12."} if "REASON" in prompt else {}
        return completion("maybe" if "LATER" in prompt and asked.body["temperature"] < 1 else text, **thought)


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


@pytest.fixture
def server(scripted: Scripted) -> Iterator[LlmServer]:
    with LlmServer(scripted).running() as made:
        yield made


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def cli(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "vr1repro.cli", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_extract_fails_row_by_row_recovers_and_is_replayed_offline(
    server: LlmServer, scripted: Scripted, tmp_path: Path
) -> None:
    texts = ["7", "I think SAY 7", "BREAK SAY 7", "GARBAGE SAY 7", "HANG SAY 7", "EMPTY", "\ud800 \x00 SAY 8"]
    write_rows(tmp_path / "q.jsonl", [{**VISTA, "pid": str(n)} for n in range(len(texts))])
    write_rows(tmp_path / "r.jsonl", [{"pid": str(n), "response": text} for n, text in enumerate(texts)])
    files = ["--benchmark", "mathvista", "--questions", tmp_path / "q.jsonl"]
    stage = [*files, "--responses", tmp_path / "r.jsonl", "--cache", tmp_path / "cache.jsonl", "--model", "m"]
    ask = ["--endpoint", server.url, "--timeout", "1", "--retries", "0"]
    score = ["grade", *files, "--profile", "official", "--responses", tmp_path / "e.jsonl", "--out", tmp_path / "v"]

    scripted.broken = True
    printed = cli("extract", *stage, *ask, "--out", tmp_path / "e.jsonl")
    assert "4 failed" in printed
    found = rows_of(tmp_path / "e.jsonl")
    assert [row.get("extraction") for row in found] == ["7", "7", None, None, None, None, "8"]
    assert ["extraction_error" in row for row in found] == [False, False, True, True, True, True, False]
    assert (found[0]["extracted_by"], found[1]["extracted_by"]) == ("rule", "m")
    # What the endpoint says that it is, of those rows that it answered.
    assert [row.get("extraction_served_model") for row in found] == [None, "m", None, None, None, None, "m"]
    # A failed call is no wrong answer: the score has bounds.
    assert "66.67  2/7, 4 without a verdict (28.57 to 85.71)" in cli(*score)
    assert [row["verdict"] for row in rows_of(tmp_path / "v")][2] == "judge_error"

    scripted.broken = False
    before = len(server.asked)
    cli("extract", *stage, *ask, "--out", tmp_path / "e.jsonl")
    assert len(server.asked) == before + 3  # the three that failed; the empty replies are kept and not asked again
    assert "83.33  5/7, 1 without a verdict (71.43 to 85.71)" in cli(*score)

    server.stop()
    cli("extract", *stage, "--out", tmp_path / "offline.jsonl")
    online, offline = rows_of(tmp_path / "e.jsonl"), rows_of(tmp_path / "offline.jsonl")
    for key in ("extraction", "extraction_served_model"):
        assert [row.get(key) for row in offline] == [row.get(key) for row in online]


@pytest.mark.parametrize("name", ["plain.csv", "vlmevalkit.tsv", "mathvista.json", "lm-eval.jsonl", "lmms-eval.jsonl"])
def test_extract_reads_the_formats_that_grade_reads(name: str, server: LlmServer, tmp_path: Path) -> None:
    files = ["--benchmark", "mathvista", "--questions", FORMATS / "questions.jsonl", "--model", "m"]
    asked = {}
    for source in ("own.jsonl", name):
        out = tmp_path / f"{source}.out"
        cli("extract", *files, "--responses", FORMATS / source, "--out", out, "--endpoint", server.url,
            "--cache", tmp_path / "cache.jsonl")  # fmt: skip
        asked[source] = [(row["response"], row["extraction"], row["extracted_by"]) for row in rows_of(out)]
        (tmp_path / f"{source}.verdicts").write_text(
            cli("grade", *files[:4], "--profile", "official", "--responses", out, "--out", tmp_path / "v.jsonl")
        )
    assert len(asked["own.jsonl"]) == 6
    assert asked[name] == asked["own.jsonl"]
    assert (tmp_path / f"{name}.verdicts").read_text() == (tmp_path / "own.jsonl.verdicts").read_text()


def test_judge_reads_a_sheet_of_extractions_and_files_of_several_seeds(server: LlmServer, tmp_path: Path) -> None:
    write_rows(tmp_path / "q.jsonl", [{**VERSE, "sample_index": str(n)} for n in range(2)])
    for seed, words in ((1, ("SAY 1", "SAY 0")), (2, ("SAY 1", "SAY 1"))):
        lines = [f"{n},x,{word}" for n, word in enumerate(words)]
        (tmp_path / f"s{seed}.csv").write_text("\n".join(["sample_index,answer text,short", *lines]) + "\n")
    files = ["--benchmark", "mathverse", "--questions", tmp_path / "q.jsonl", "--profile", "vlmevalkit"]
    both = ["--responses", tmp_path / "s1.csv", "--responses", tmp_path / "s2.csv"]
    columns = ["--column", "response=answer text", "--column", "extraction=short"]
    cli("judge", *files, *both, *columns, "--out", tmp_path / "j.jsonl",
        "--cache", tmp_path / "c.jsonl", "--model", "m", "--endpoint", server.url)  # fmt: skip
    judged = [(row["id"], row["eval_seed"], row["judgement"]) for row in rows_of(tmp_path / "j.jsonl")]
    assert judged == [("0", 1, "1"), ("1", 1, "0"), ("0", 2, "1"), ("1", 2, "1")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"pid": "1", "text": "7"}, "r.jsonl:1: the row has no response under response, prediction"),
        ({"pid": "9", "response": "7"}, "r.jsonl:1: "),
        ({"pid": "1", "response": None}, "r.jsonl:1: its response is null"),
    ],
)
@pytest.mark.parametrize("stage", ["extract", "judge"])
def test_rows_without_a_grade_are_refused_before_anybody_is_asked(
    stage: str, row: dict, message: str, tmp_path: Path
) -> None:
    slug, gold = ("mathvista", VISTA) if stage == "extract" else ("mathverse", VERSE)
    key = {"extract": "pid", "judge": "sample_index"}[stage]
    write_rows(tmp_path / "q.jsonl", [{**gold, key: "1"}])
    write_rows(tmp_path / "r.jsonl", [{key if name == "pid" else name: value for name, value in row.items()}])
    result = CliRunner().invoke(
        app,
        [stage, "--benchmark", slug, "--questions", str(tmp_path / "q.jsonl"), "--model", "m", "--out",
         str(tmp_path / "o.jsonl"), "--responses", str(tmp_path / "r.jsonl"), "--cache", str(tmp_path / "c.jsonl"),
         *(["--profile", "vlmevalkit"] if stage == "judge" else [])],
    )  # fmt: skip
    assert isinstance(result.exception, BadResponses)
    assert message in str(result.exception)
    assert not (tmp_path / "o.jsonl").exists()


def test_judge_asks_again_until_the_reply_is_0_or_1(server: LlmServer, tmp_path: Path) -> None:
    extractions = ["12", "LATER SAY 1", "SAY 0", "SAY perhaps", None, "REASON SAY 1", "REASON SAY <think>1"]
    write_rows(tmp_path / "q.jsonl", [{**VERSE, "sample_index": str(n)} for n in range(7)])
    rows = [{"id": str(n), "response": "x", "extraction": text} for n, text in enumerate(extractions)]
    write_rows(tmp_path / "r.jsonl", rows)
    files = ["--benchmark", "mathverse", "--questions", tmp_path / "q.jsonl", "--profile", "vlmevalkit"]
    cli("judge", *files, "--responses", tmp_path / "r.jsonl", "--out", tmp_path / "j.jsonl",
        "--cache", tmp_path / "c.jsonl", "--model", "m", "--endpoint", server.url)  # fmt: skip
    found = rows_of(tmp_path / "j.jsonl")
    assert [row.get("judgement") for row in found] == [None, "1", "0", None, None, "1", None]
    assert [row.get("judgement_served_model") for row in found] == [None, "m", "m", None, None, "m", None]
    assert "none of those that fit" in found[3]["judgement_error"]
    temperatures = [asked.body["temperature"] for asked in server.asked if "LATER" in asked.text]
    assert temperatures == [0.0, 0.5, 1.0]
    cli("grade", *files, "--responses", tmp_path / "j.jsonl", "--out", tmp_path / "v.jsonl")
    verdicts = [row["verdict"] for row in rows_of(tmp_path / "v.jsonl")]
    assert verdicts == ["right", "right", "wrong", "judge_error", "judge_error", "right", "judge_error"]


def test_the_official_layout_with_examples_of_the_users_own(server: LlmServer, tmp_path: Path) -> None:
    write_rows(tmp_path / "q.jsonl", [{**VERSE, "sample_index": "1"}])
    write_rows(tmp_path / "r.jsonl", [{"id": "1", "response": "one two three SAY 12"}])
    (tmp_path / "shots.txt").write_text("EXAMPLES\n")
    files = LlmFiles(responses=tmp_path / "r.jsonl", questions=tmp_path / "q.jsonl", out=tmp_path / "e.jsonl")
    with Llm(Asker(model="m", connect=at(server.url)), tmp_path / "c.jsonl") as llm:
        extract_file("mathverse", files, llm, examples=tmp_path / "shots.txt", last_words=2)
    assert server.asked[0].text == "EXAMPLES\n\nModel response: 'SAY 12'\nExtracted Answer: "


def test_an_equal_question_is_asked_once_and_a_refusal_is_kept(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        return failure(400, "maximum context length is 5 tokens") if "LONG" in asked.text else completion("7")

    with LlmServer(answer).running() as server:
        asker = Asker(model="m", connect=at(server.url))
        for again in range(2):
            with Llm(asker, tmp_path / "c.jsonl") as llm:
                answers = list(llm.answers(["same", "LONG", None, "same"], bool))
            assert [None if one is None else one.text for one in answers] == ["7", None, None, "7"]
            assert [one.unanswered for one in answers if one is not None] == [False] * 3
            assert (llm.counts.cached, llm.counts.requests) == ((2, 0) if again else (0, 2))
        assert sorted(asked.text for asked in server.asked) == ["LONG", "same"]


def test_what_stands_beside_responses_must_be_of_them(server: LlmServer, tmp_path: Path) -> None:
    write_rows(tmp_path / "q.jsonl", [{**VISTA, "pid": str(n)} for n in range(3)])
    rows = [{"id": str(n), "attempt": 0, "response": f"SAY {n}"} for n in range(3)]
    write_rows(tmp_path / "r.jsonl", rows)
    files = LlmFiles(
        responses=tmp_path / "r.jsonl", questions=tmp_path / "q.jsonl", out=tmp_path / "e.jsonl", apart=True
    )
    with Llm(Asker(model="m", connect=at(server.url)), tmp_path / "c.jsonl") as llm:
        extract_file("mathvista", files, llm)
    brought = rows_of(tmp_path / "e.jsonl")
    assert [row["extraction"] for row in brought] == ["0", "1", "2"]
    assert not any("response" in row for row in brought)

    def joined() -> list[dict]:
        return [row for _, row in response_rows(tmp_path / "r.jsonl", None, [tmp_path / "e.jsonl"])]

    assert joined() == [{**row, **further} for row, further in zip(rows, brought, strict=True)]
    for wrong in (brought[:2], brought[1:], [*brought, brought[2]], [brought[0], {**brought[1], "attempt": 1}]):
        write_rows(tmp_path / "e.jsonl", wrong)
        with pytest.raises(UserError, match=r"e\.jsonl:\d+: (is not of the response|has more rows)"):
            joined()


def test_bad_wishes_are_named(tmp_path: Path) -> None:
    nothing = tmp_path / "none.jsonl"
    files = LlmFiles(responses=nothing, questions=nothing, out=nothing)
    with pytest.raises(UserError, match="no cache of replies here and no --endpoint"):
        Llm(Asker(model="m"), nothing)
    with Llm(Asker(model="m", connect=at("http://127.0.0.1:9")), nothing) as llm:
        with pytest.raises(UserError, match="mmmath: no profile reads"):
            extract_file("mmmath", files, llm)
        with pytest.raises(UserError, match="mathvista official: no judge replies"):
            judge_file("mathvista", "official", files, llm)
        with pytest.raises(UserError, match="another process is working on this cache of replies"):
            Llm(llm.asker, nothing)


@pytest.mark.parametrize("profile", ["official", "lmms-eval"])
def test_what_grade_says_of_a_missing_extraction_makes_it(
    server: LlmServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "q.jsonl", [{"pid": str(n), **VISTA} for n in (1, 2)])
    write_rows(tmp_path / "r.jsonl", [{"pid": str(n), "response": f"So SAY {6 + n}"} for n in (1, 2)])
    command = f"grade --benchmark mathvista --profile {profile} --responses r.jsonl --questions q.jsonl --out v.jsonl"
    result = CliRunner().invoke(app, shlex.split(command))
    assert isinstance(result.exception, BadResponses)
    said, *commands = lines_of(str(result.exception))
    assert said.startswith("r.jsonl: 2 of 2 responses have no verdict; ")
    assert said.endswith(f"{profile} of MathVista reads an LLM's extraction; to grade so:")
    assert [words[1] for words in map(shlex.split, commands)] == ["extract", "grade"]
    for line in commands:
        words = [{"LLM": "m", "URL": server.url}.get(word, word) for word in shlex.split(line)]
        result = CliRunner().invoke(app, words[1:])
        assert result.exit_code == 0, result.output
    assert [row["verdict"] for row in rows_of(tmp_path / "v.jsonl")] == ["right", "wrong"]
    assert "without a verdict" not in result.output


def test_a_judgement_that_is_missing_is_asked_for_after_the_extraction(tmp_path: Path) -> None:
    write_rows(tmp_path / "q.jsonl", [{"sample_index": str(n), **VERSE} for n in (1, 2)])
    rows = [{"sample_index": str(n), "response": "12", "eval_seed": 1} for n in (1, 2)]
    for further, steps in (({}, ["extract", "judge", "grade"]), ({"extraction": "12"}, ["judge", "grade"])):
        write_rows(tmp_path / "r.jsonl", [{**row, **further} for row in rows])
        command = f"grade --benchmark mathverse --profile official --responses {tmp_path}/r.jsonl"
        command += f" --questions {tmp_path}/q.jsonl --out {tmp_path}/v.jsonl"
        said, *commands = lines_of(str(CliRunner().invoke(app, shlex.split(command)).exception))
        assert "official of MathVerse reads an LLM's extraction and judgement; to grade so:" in said
        assert [shlex.split(line)[1] for line in commands] == steps


def lines_of(text: str) -> list[str]:
    """A message's lines, those of a command together."""
    return [line.strip() for line in text.replace("\\\n", "").splitlines()]

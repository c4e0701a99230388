"""`vr1repro evaluate` as a person calls it: who is asked first, under which preset, and what it ends with."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_sizes import LAB
from llm_server import Asked, LlmServer, Reply, completion
from typer.testing import CliRunner, Result

from vr1repro.cli import app, main
from vr1repro.core.errors import UserError
from vr1repro.evaluation import standalone
from vr1repro.evaluation.presets import preset_of
from vr1repro.jobs.interrupts import STOPPED
from vr1repro.lab.benchmarks import write_benchmark

pytest.importorskip("aiohttp")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_benchmark(LAB.world, "mathvista", 12, 1, tmp_path_factory.mktemp("data"))


@pytest.fixture
def server() -> Iterator[LlmServer]:
    def answer(request: Asked) -> Reply:
        return completion(f"The answer is \\boxed{{{len(request.text) % 7}}}")

    with LlmServer(answer).running() as running:
        yield running


def evaluate(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", "--benchmarks", "mathvista", *arguments])


def test_a_served_model_keeps_its_name_and_ends_with_means(server: LlmServer, data: Path, tmp_path: Path) -> None:
    server.models = ["Qwen/Qwen2.5-VL-7B-Instruct"]
    result = evaluate(
        "--model",
        server.url,
        "--data",
        f"mathvista={data}",
        "--seeds",
        "2",
        "--out",
        f"{tmp_path}/mine",
        "--engine-options",
        '{"accept_models": ["m"]}',
    )
    assert result.exit_code == 0, result.output
    first, second, *_ = result.output.splitlines()
    assert first == f"{server.url}: serves Qwen/Qwen2.5-VL-7B-Instruct"
    assert second.startswith("preset boxed: an instruct model")
    assert "\\boxed" in server.asked[0].text
    folder = tmp_path / "mine" / "Qwen2.5-VL-7B-Instruct" / "mathvista" / "single"
    assert {path.name for path in folder.iterdir()} == {"e1", "e2"}
    end = result.output.partition("mean over seeds")[2].splitlines()
    assert "mathvista, protocol single, profile rule: 12 of 1000 questions, 2 seed(s), percent" in end
    overall = next(line for line in end if line.split()[0:1] == ["overall"])
    right = [
        json.loads(line)["correct"]
        for seed in ("e1", "e2")
        for line in (folder / seed / "verdicts" / "rule.jsonl").read_text().splitlines()
    ]
    assert overall.split()[1] == f"{100 * sum(right) / len(right):.1f}"
    assert overall.split()[2].startswith("[")
    assert any("[too few]" in line for line in end)
    assert end[-1] == (
        f"next: vr1repro compare --responses {tmp_path}/mine --against published:Vision-R1-7B"
        f" --out {tmp_path}/mine-compared"
    )


def test_the_endpoint_is_asked_before_anything_is_fetched(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    for further in ((), ("--engine-options", '{"model": "m"}')):
        result = evaluate("--model", url, "--out", str(tmp_path / "mine"), *further)
        assert isinstance(result.exception, UserError)
        assert str(result.exception).startswith(f"{url}: does not answer: ")
        assert not (tmp_path / "mine").exists()


def test_a_server_of_several_models_says_which_option_names_one(server: LlmServer, tmp_path: Path) -> None:
    server.models = ["a", "b"]
    result = evaluate("--model", server.url, "--out", str(tmp_path / "mine"))
    assert "serves a, b;" in str(result.exception)
    assert "--engine-options '{\"model\": NAME}'" in str(result.exception)


def test_who_stops_it_is_told_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(standalone, "evaluate_and_grade", stopped)
    result = evaluate("--model", "m", "--out", str(tmp_path))
    assert result.exit_code == 130
    assert result.stderr == f"{STOPPED}\n"


def test_other_questions_are_taken_until_some_are_answered(server: LlmServer, data: Path, tmp_path: Path) -> None:
    blind = tmp_path / "testmini.jsonl"
    row = {"pid": "1", "question": "?", "answer": "1", "question_type": "free_form", "answer_type": "integer",
           "image": "images/1.jpg", "choices": None, "precision": None, "unit": None, "query": "?", "metadata": {},
           "decoded_image": None}  # fmt: skip
    blind.write_text(json.dumps(row))
    arguments = ["--model", server.url, "--out", f"{tmp_path}/mine", "--preset", "boxed", "--limit", "2"]
    result = evaluate(*arguments, "--data", f"mathvista={blind}")
    assert "no row is a problem ({'image_missing': 1}); the first: image_missing: images/1.jpg" in str(result.exception)
    result = evaluate(*arguments, "--data", f"mathvista={tmp_path / 'none.jsonl'}")
    assert str(result.exception).startswith(f"{tmp_path / 'none.jsonl'}: no such file or folder; correct ")
    for _ in range(2):  # the second start of the same goes on
        result = evaluate(*arguments, "--data", f"mathvista={data}", "--engine-options", '{"accept_models": ["m"]}')
        assert result.exit_code == 0, result.output
    result = evaluate(*arguments, "--data", f"mathvista={blind}")
    assert str(result.exception).startswith(f"--data mathvista: {tmp_path}/mine/questions/mathvista holds other ")
    assert str(result.exception).endswith("; give another --out, or the questions of before")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "mathvison=F"), "--data: unknown mathvison; known: "),
        (("--benchmarks", "mathvison"), "--benchmarks: unknown mathvison; known: "),
        (("--data", "mathverse=F"), "--data mathverse: it is not among --benchmarks mathvista"),
        (("--profile", "rle"), "mathvista has no scoring profile 'rle'; take one of "),
    ],
)
def test_mistakes_name_their_option(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = evaluate("--model", str(tmp_path), "--out", str(tmp_path / "mine"), *arguments)
    assert isinstance(result.exception, UserError)
    assert str(result.exception).startswith(message)


@pytest.mark.parametrize(
    ("kind", "settings", "preset"),
    [
        ("rl-stage", {}, "think-answer"),
        ("sft", {}, "think-answer"),
        ("model", {"hidden": 64}, "think-answer"),
        ("model", {"kind": "hub", "id": "Osilly/Vision-R1-7B"}, "think-answer"),
        ("model", {"kind": "hub", "id": "Qwen/Qwen2.5-VL-3B-Instruct"}, "boxed"),
    ],
)
def test_a_manifest_decides_the_preset(kind: str, settings: dict[str, object], preset: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"content": {"kind": kind, "settings": settings}}))
    choice = preset_of(str(tmp_path))
    assert (choice.preset, choice.known) == (preset, True)


@pytest.mark.parametrize(
    ("location", "served", "preset", "known"),
    [
        (f"Osilly/Vision-R1-7B@{'0' * 40}", None, "think-answer", True),
        ("http://127.0.0.1:8000/v1", "/models/vision_r1", "think-answer", True),
        ("http://127.0.0.1:8000/v1", "VisionR1", "think-answer", True),
        ("http://127.0.0.1:8000/v1", "qwen3-vl-8b", "boxed", True),
        ("http://127.0.0.1:8000/v1", "mine", "boxed", False),
    ],
)
def test_a_name_decides_the_preset(location: str, served: str | None, preset: str, known: bool) -> None:
    choice = preset_of(location, served)
    assert (choice.preset, choice.known) == (preset, known)
    assert str(choice).startswith("preset " if known else "WARNING preset boxed: nothing is known of ")


@pytest.mark.parametrize("command", ["grade", "evaluate"])
def test_a_place_that_cannot_be_written_is_one_message(
    command: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    fixtures = Path(__file__).parent / "response_formats"
    arguments = {
        "grade": ("--benchmark", "mathvista", "--responses", str(fixtures / "own.jsonl"), "--questions", str(data)),
        "evaluate": ("--model", str(tmp_path), "--benchmarks", "mathvista", "--data", f"mathvista={data}"),
    }
    out = tmp_path / "file" / "folder" / "v.jsonl"
    monkeypatch.setattr("sys.argv", ["vr1repro", command, *arguments[command], "--out", str(out)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    *_, message = capsys.readouterr().err.splitlines()
    assert message.startswith(f"error: {out.parent}")
    assert "Not a directory" in message

"""The LLM that a config names: what serves it is started when it is needed, and is part of no edit that it is not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from llm_server import Asked, LlmServer, Reply

from vr1repro.config.graders import GraderSettings
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import write_manifest
from vr1repro.engines import server
from vr1repro.evaluation.graders import grader_modules, name_of, open_llm

COMMIT = "0123456789" * 4
SERVED = {"kind": "model", "model": "small", "sampler": {"kind": "openai"}, "server": {"options": ["--eager"]}}
ENDPOINT = {"kind": "model", "model": "http://127.0.0.1:9/v1", "sampler": {"kind": "openai", "model": "m"}}
SCRIPTED = {
    "kind": "scripted", "extraction_errors": {"tagged": 0, "reflected": 0, "untagged": 0}, "judgement_misses": 0,
    "judgement_slips": 0,
}  # fmt: skip


def settings(llm: dict[str, Any]) -> GraderSettings:
    return GraderSettings.model_validate({"llm": llm, "profiles": ["official"]})


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "model.safetensors").write_text("weights")
    write_manifest(folder, "model", {"kind": "hub", "id": "owner/small"}, {}, {"commit": COMMIT})
    return folder


def test_a_served_model_is_started_at_the_first_question_without_reply(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[Any] = []

    def answer(asked: Asked) -> Reply:
        message = {"role": "assistant", "content": asked.text.upper()}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return 200, {"model": asked.body["model"], "choices": [choice]}

    @contextmanager
    def serve(model: str, name: str, options: Any, threads: int) -> Iterator[Any]:
        events.append((model, name, options.options, threads))
        with LlmServer(answer).running() as running:
            yield SimpleNamespace(url=running.url, died=lambda: None)
        events.append("stopped")

    monkeypatch.setattr(server, "serve", serve)
    name = f"owner/small@{COMMIT}"
    assert name_of(weights) == name
    for _again in range(2):
        with open_llm(settings(SERVED), tmp_path / "c.jsonl", weights=weights, threads=3) as llm:
            (answer_,) = llm.answers(["seven"], bool)
            assert answer_ is not None
            assert (answer_.text, answer_.served_model) == ("SEVEN", name)
        # The second time its reply is kept, and nothing is started.
        assert events == [(str(weights), name, ["--eager"], 3), "stopped"]


@pytest.mark.parametrize(
    ("llm", "modules"),
    [
        (SERVED, {"vr1repro.engines.endpoint.client", "vr1repro.engines.server"}),
        (ENDPOINT, {"vr1repro.engines.endpoint.client"}),
        (SCRIPTED, {"vr1repro.engines.endpoint.client", "vr1repro.lab.grader"}),
    ],
)
def test_the_modules_that_a_rule_must_name(llm: dict[str, Any], modules: set[str]) -> None:
    assert set(grader_modules(settings(llm))) == modules


def test_a_scripted_grader_answers_without_any_address(tmp_path: Path) -> None:
    with open_llm(settings(SCRIPTED), tmp_path / "c.jsonl", weights=None, threads=1) as llm:
        (reply,) = llm.answers(["Head.\n\nHow many?\n\n<answer>7</answer>\n\nExtracted answer: "], bool)
    assert reply is not None
    assert (reply.text, reply.served_model) == ("7", "scripted")


@pytest.mark.parametrize(
    ("llm", "said"),
    [
        ({**SERVED, "server": None}, "give `server: {}`"),
        ({**ENDPOINT, "server": {}}, "is an endpoint; name a key of `models`"),
        ({**ENDPOINT, "sampler": {"kind": "openai"}}, "an endpoint needs `sampler.model`"),
        ({**SERVED, "sampler": {"kind": "openai", "model": "m"}}, "a served model is called by its repository"),
        ({**SCRIPTED, "extraction_errors": {"tagged": 0.5}}, "at least 3"),
    ],
)
def test_what_does_not_fit_is_refused(llm: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("{", r"\{").replace("}", r"\}")):
        settings(llm)


def test_a_ledger_is_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        open_llm(settings(ENDPOINT), tmp_path / "c.jsonl", weights=None, threads=1),
        pytest.raises(UserError, match="another process is working on this cache of replies"),
        open_llm(settings(ENDPOINT), tmp_path / "c.jsonl", weights=None, threads=1),
    ):
        pass

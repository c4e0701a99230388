"""`evaluate`, from problems to files, with a tiny checkpoint of the real architecture."""

import io
import json

import pytest
from PIL import Image

from vr1repro.config.evaluation import EvaluationSettings
from vr1repro.config.problems import ProblemSource
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read
from vr1repro.core.problem_files import write_problems
from vr1repro.core.records import Problem, Response
from vr1repro.engines.base import Completion
from vr1repro.evaluation.finished import finished
from vr1repro.evaluation.run import BenchmarkSpec, EvaluatedModel, evaluate

pytest.importorskip("torch")


def settings(**change):
    values = {"benchmarks": ["mmmath"], "protocols": ["single", "paper"], "max_tokens": 6, "retries": 2,
              "engine": {"kind": "transformers", "batch_size": 4}}  # fmt: skip
    return EvaluationSettings(**{**values, **change})


@pytest.fixture
def spec(tmp_path):
    def picture(n):
        buffer = io.BytesIO()
        Image.new("RGB", (28 + n, 28), "white").save(buffer, format="PNG")
        return buffer.getvalue()

    problems = [
        Problem(id=f"q{n}", source="micro", question=f"row {n}?", answer="1", image=picture(n)) for n in range(6)
    ]
    write_problems(tmp_path / "problems.parquet", problems)
    return BenchmarkSpec("mmmath", ProblemSource(kind="path", path=str(tmp_path / "problems.parquet")))


def run(checkpoint, spec, out, seeds=(1,), **change):
    limit = change.pop("limit", None)
    model = EvaluatedModel(location=str(checkpoint), name="tiny", run="r", arm="ci", train_seed=3)
    return evaluate(model, [spec], settings(**change), seeds, out, limit=limit)


@pytest.fixture
def never_answers(monkeypatch):
    """No reply counts as answered, whatever random weights write, so that every question is asked to the last try."""
    monkeypatch.setattr("vr1repro.evaluation.responses.has_answer", lambda reply: False)


def path(out, protocol="single", seed=1):
    return out / "tiny" / "mmmath" / protocol / f"e{seed}" / "responses.jsonl"


def test_both_protocols_hold_the_same_first_attempts_in_order(tiny_checkpoint, spec, tmp_path, never_answers):
    results = run(tiny_checkpoint, spec, tmp_path / "out", seeds=(1, 2))
    assert [(one.protocol, one.seed, one.healthy) for one in results] == [
        ("single", 1, True), ("paper", 1, True), ("single", 2, True), ("paper", 2, True),
    ]  # fmt: skip
    single = list(read(path(tmp_path / "out"), Response))
    paper = list(read(path(tmp_path / "out", "paper"), Response))
    assert [row.id for row in single] == [f"q{n}" for n in range(6)]
    assert [row.response for row in single] == [row.response for row in paper if row.attempt == 0]
    # The first sample and two retries.
    assert [(row.id, row.attempt) for row in paper] == [(f"q{n}", k) for n in range(6) for k in range(3)]
    first = single[0]
    assert (first.arm, first.train_seed, first.eval_seed, first.benchmark) == ("ci", 3, 1, "mmmath")
    assert first.model_sha
    assert all(row.n_tokens == 6 for row in single if row.finish_reason == "length")
    assert all(1 <= row.n_tokens <= 6 for row in single)
    run_json = json.loads((path(tmp_path / "out").parent / "run.json").read_text())
    assert run_json["content"]["counts"]["unknown_tokens"] == 0


def test_equal_seeds_give_equal_bytes_and_others_do_not(tiny_checkpoint, spec, tmp_path):
    for name in ("a", "b"):
        run(tiny_checkpoint, spec, tmp_path / name, seeds=(1, 2))
    assert path(tmp_path / "a").read_bytes() == path(tmp_path / "b").read_bytes()
    assert path(tmp_path / "a", "paper").read_bytes() == path(tmp_path / "b", "paper").read_bytes()
    texts = [[row.response for row in read(path(tmp_path / "a", seed=seed), Response)] for seed in (1, 2)]
    assert texts[0] != texts[1]


def test_an_interrupted_run_asks_only_for_the_rest(tiny_checkpoint, spec, tmp_path, monkeypatch, never_answers):
    from vr1repro.engines.transformers.engine import TransformersEngine

    run(tiny_checkpoint, spec, tmp_path / "whole")
    asked = []
    plain = TransformersEngine.generate

    def counting(self, requests, sampling, stop_after=None):
        for number, completion in enumerate(plain(self, requests, sampling)):
            if number == stop_after:
                raise KeyboardInterrupt
            asked.append(completion.key)
            yield completion

    out = tmp_path / "broken"
    monkeypatch.setattr(TransformersEngine, "generate", lambda *a: counting(*a, stop_after=3))
    with pytest.raises(KeyboardInterrupt):
        run(tiny_checkpoint, spec, out)
    assert len(asked) == 3
    monkeypatch.setattr(TransformersEngine, "generate", counting)
    run(tiny_checkpoint, spec, out)
    assert len(asked) == 18
    for protocol in ("single", "paper"):
        assert path(out, protocol).read_bytes() == path(tmp_path / "whole", protocol).read_bytes()
    asked.clear()
    run(tiny_checkpoint, spec, out)
    assert asked == []


def test_limit_asks_the_first_questions(tiny_checkpoint, spec, tmp_path):
    run(tiny_checkpoint, spec, tmp_path, limit=2, protocols=["single"])
    assert [row.id for row in read(path(tmp_path), Response)] == ["q0", "q1"]


@pytest.mark.parametrize(
    ("model", "change", "message"),
    [
        ("http://127.0.0.1:1/v1", {}, "needs a sampler of kind openai"),
        ("owner/name", {}, "not a folder"),
        # Refused before the model is loaded: that there is none is not yet known.
        ("owner/name", {"prompts": {"mmmath": "cot"}}, "evaluation.prompts.mmmath"),
    ],
)
def test_impossible_calls_are_refused(spec, tmp_path, model, change, message):
    with pytest.raises(UserError, match=message):
        run(model, spec, tmp_path, **change)


@pytest.mark.slow
def test_real_mathvision_pictures_go_the_whole_way(tiny_checkpoint, shared, tmp_path):
    source = ProblemSource(kind="path", path=str(shared / "mathvision" / "problems-240.parquet"))
    spec = BenchmarkSpec("mathvision", source)
    chosen = settings(benchmarks=["mathvision"])
    model = EvaluatedModel(location=str(tiny_checkpoint), name="tiny", run="r")
    results = evaluate(model, [spec], chosen, [1], tmp_path, limit=8)
    for one in results:
        assert one.healthy
        assert one.counts["questions"] == 8
        assert {one.counts[name] for name in ("refused", "unknown_tokens", "grid_mismatches")} == {0}


class Unseeded:
    """An engine like vLLM's: whether the requests' own seeds drew the replies is a setting."""

    model_sha = "w"

    def __init__(self, seeded):
        self.facts = {"engine": "vllm", "requests_seeded": seeded}
        self.asked = 0

    def render(self, request):
        return request.text

    def generate(self, requests, sampling):
        for request in requests:
            self.asked += 1
            yield Completion(key=request.key, text="</answer>", n_tokens=1, finish_reason="stop", n_prompt_tokens=1,
                             seeded=self.facts["requests_seeded"])  # fmt: skip


def test_responses_that_no_seed_draws_again_say_so_and_are_no_seeded_ones(spec, tmp_path, monkeypatch):
    rows = {}
    for seeded in (False, True, False):
        engine = Unseeded(seeded)
        monkeypatch.setattr("vr1repro.evaluation.run.load_engine", lambda *_, engine=engine: engine)
        run("tiny", spec, tmp_path, engine={"kind": "vllm", "seed_requests": seeded})
        earlier = rows.get(seeded)
        rows[seeded] = [json.loads(line) for line in path(tmp_path).read_text().splitlines()]
        # What the other setting earned counts for nothing; what this one did is not asked again.
        assert (engine.asked, rows[seeded]) == ((6, rows[seeded]) if earlier is None else (0, earlier))
    assert [row["seeded"] for row in rows[False]] == [False] * 6
    assert not any("seeded" in row for row in rows[True])
    assert {row["generation_sha"] for row in rows[True]}.isdisjoint(row["generation_sha"] for row in rows[False])


def test_a_finished_evaluation_is_known_from_its_files_alone(tiny_checkpoint, spec, tmp_path):
    """Its weights may be gone: what was asked, and of what, must be the same to the letter."""
    out, asked = tmp_path / "out", settings(protocols=["single"])
    made = run(tiny_checkpoint, spec, out, protocols=["single"])
    sha = next(read(path(out), Response)).model_sha

    def known(model_sha=sha, spec=spec, settings=asked, seeds=(1,), system=None):
        model = EvaluatedModel(location="gone", name="tiny", run="r", arm="ci", train_seed=3, system_prompt=system)
        return finished(model, model_sha, [spec], settings, seeds, out)

    assert known() == made
    assert known(model_sha="other") is None
    assert known(seeds=(1, 2)) is None
    assert known(system="Be brief.") is None
    assert known(settings=asked.model_copy(update={"temperature": 0.1})) is None
    assert known(spec=BenchmarkSpec("mmmath", spec.source.model_copy(update={"limit": 3}))) is None

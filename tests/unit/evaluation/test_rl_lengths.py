"""Completions on the RL set, with a tiny checkpoint of the real architecture."""

import json
from pathlib import Path

import pytest

from vr1repro.config.evaluation import EvaluationSettings
from vr1repro.core.jsonl import read
from vr1repro.core.records import Problem, Response, sha256
from vr1repro.evaluation.lengths import sample_lengths
from vr1repro.evaluation.run import EvaluatedModel

pytest.importorskip("torch")

PROBLEMS = [
    Problem(id=f"q{k}", source="micro", question=f"row {k}?", answer="1", image=None, choices=["one", "two"])
    for k in range(6)
]


def sample(checkpoint: Path, out: Path, limit: int | None = None, system: str | None = None) -> dict[str, int]:
    engine = {"kind": "transformers", "batch_size": 4}
    settings = EvaluationSettings(benchmarks=["mmmath"], protocols=["paper"], max_tokens=6, engine=engine)
    model = EvaluatedModel(
        location=str(checkpoint), name="ci_s3", run="r", arm="ci", train_seed=3, system_prompt=system
    )
    return sample_lengths(model, PROBLEMS, settings, 1, out, limit=limit)


def test_each_problem_once_and_none_twice(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """Whatever the protocols of the benchmarks; and a resumed job asks for the rest alone."""
    counts = sample(tiny_checkpoint, tmp_path, limit=4)
    rows = {row.id: row for row in read(tmp_path / "responses.jsonl", Response)}
    assert sorted(rows) == sorted(sorted((each.id for each in PROBLEMS), key=sha256)[:4])
    assert (counts["questions"], counts["responses"]) == (4, 4)
    assert counts["tokens"] == sum(row.n_tokens or 0 for row in rows.values())
    timed = (tmp_path / "timing.jsonl").read_text().splitlines()
    assert sample(tiny_checkpoint, tmp_path)["questions"] == 6
    assert len((tmp_path / "timing.jsonl").read_text().splitlines()) == len(timed) + 2
    again = {row.id: row for row in read(tmp_path / "responses.jsonl", Response)}
    assert {key: again[key] for key in rows} == rows
    content = json.loads((tmp_path / "run.json").read_text())["content"]
    assert (content["seed"], content["counts"]["questions"]) == (1, 6)


def test_the_prompt_is_that_of_training(tiny_checkpoint: Path, tmp_path: Path) -> None:
    sample(tiny_checkpoint, tmp_path / "plain")
    sample(tiny_checkpoint, tmp_path / "system", system="Be brief.")
    shas = [
        [row.prompt_sha for row in read(tmp_path / name / "responses.jsonl", Response)] for name in ("plain", "system")
    ]
    assert not set(shas[0]) & set(shas[1])
    assert len(set(shas[0])) == 6

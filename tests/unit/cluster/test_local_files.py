"""`vr1repro check --deep`: what a config takes from this machine is opened, a line each."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from vr1repro.cli import app
from vr1repro.config import loader
from vr1repro.core.problem_files import write_problems
from vr1repro.lab.benchmarks import write_benchmark
from vr1repro.lab.world import generate

CONFIG = Path("mine.yaml")
PROBLEMS, QUESTIONS, MODEL = Path("rl.parquet"), Path("questions"), Path("model")


@pytest.fixture(autouse=True)
def local(repo: Path, tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A config whose model, RL problems and one benchmark are local, and those files."""
    monkeypatch.chdir(tmp_path)
    smoke = loader.load(repo / "config" / "smoke.yaml")
    assert smoke.lab is not None
    write_problems(PROBLEMS, generate(smoke.lab.world, "rl", 8, 1))
    write_benchmark(smoke.lab.world, "mathvista", 6, 1, QUESTIONS)
    shutil.copytree(tiny_checkpoint, MODEL)
    values = yaml.safe_load((repo / "config" / "smoke.yaml").read_text(encoding="utf-8"))
    values["models"]["tiny"] = {"kind": "path", "path": str(MODEL), "context": 4096}
    values["problems"]["rl"] = {"kind": "path", "path": str(PROBLEMS)}
    values["benchmarks"]["mathvista"] = {"kind": "path", "path": str(QUESTIONS)}
    write(values)


def write(values: dict[str, Any]) -> None:
    CONFIG.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def check(*words: str) -> tuple[int, list[str]]:
    result = CliRunner().invoke(app, ["check", str(CONFIG), *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout.splitlines()


def line_of(key: str) -> str:
    """The one line on a key, of a check that failed."""
    code, lines = check("--deep")
    assert code == 1
    (line,) = [line for line in lines if f" {key}: " in line]
    return line


def test_files_that_are_there_are_one_line_each() -> None:
    code, lines = check("--deep")
    assert code == 0
    told = [line for line in lines if line.startswith(("ok ", "no ", "-  "))]
    assert [line.split(": ")[0] for line in told] == ["ok  models.tiny", "ok  benchmarks.mathvista", "ok  problems.rl"]
    assert '"qwen2_5_vl", 1 files of weights, whole' in told[0]
    assert "3 rows read as problems" in told[2]
    assert "first picture" in told[2]
    assert lines[-1] == f"{CONFIG}: ok"
    assert check()[1][-1] == f"{CONFIG}: ok; --deep also opens local files"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def without(column: str) -> None:
    pq.write_table(pq.read_table(PROBLEMS).drop_columns([column]), PROBLEMS)


def no_picture() -> None:
    table = pq.read_table(PROBLEMS)
    rows = [row | {"image": {"bytes": b"no picture", "path": None}} for row in table.to_pylist()]
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), PROBLEMS)


def shards_named() -> None:
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (MODEL / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "key", "message"),
    [
        (PROBLEMS.unlink, "problems.rl", "rl.parquet: no such file or folder"),
        (lambda: cut(PROBLEMS), "problems.rl", "rl.parquet"),
        (lambda: without("question"), "problems.rl", "fit no known schema"),
        (no_picture, "problems.rl", "no row is a problem ({'image_unreadable': 8})"),
        (lambda: shutil.rmtree(QUESTIONS), "benchmarks.mathvista", "no such file or folder"),
        (lambda: shutil.rmtree(MODEL), "models.tiny", "no such folder"),
        ((MODEL / "config.json").unlink, "models.tiny", "has no config.json"),
        ((MODEL / "model.safetensors").unlink, "models.tiny", "holds no *.safetensors"),
        (lambda: cut(MODEL / "model.safetensors"), "models.tiny", "cut off"),
        (shards_named, "models.tiny", "lacks model-00001-of-00002.safetensors of 2"),
        ((MODEL / "tokenizer.json").unlink, "models.tiny", "no file of a tokenizer"),
        ((MODEL / "processor_config.json").unlink, "models.tiny", "no file of a processor"),
    ],
)
def test_what_cannot_be_used_is_named(damage: Callable[[], object], key: str, message: str) -> None:
    damage()
    line = line_of(key)
    assert line.startswith(f"no  {key}: ")
    assert message in line
    assert check()[0] == 0  # without --deep nothing is opened


def test_further_benchmarks_are_loaded(repo: Path) -> None:
    values = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    values["benchmark_folders"] = [str(repo / "examples/benchmarks/quiz")]
    write(values)
    code, lines = check("--deep")
    assert code == 0
    assert any(line.startswith("ok  benchmark_folders: ") and "profiles" in line for line in lines)


def test_arms_that_are_not_run_are_named() -> None:
    values = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    assert not [line for line in check()[1] if line.startswith("not in run_arms")]
    values["arms"]["my-arm"] = values["arms"]["zero"]
    write(values)
    told = "not in run_arms, made only by name (`snakemake ... NAME --configfile FILE`): my-arm"
    assert told in check()[1]
    planned = CliRunner().invoke(app, ["plan", "--configfile", str(CONFIG)])
    assert planned.exit_code == 0
    assert told in planned.output.splitlines()


@pytest.mark.parametrize(
    ("profile", "message"),
    [("rle", "mathvista has no scoring profile 'rle'; take one of"), ("strict", "mathvista has no scoring profile")],
)
def test_a_profile_that_a_benchmark_lacks_is_refused(profile: str, message: str) -> None:
    values = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    values["reporting"]["profile"] = profile
    write(values)
    result = CliRunner().invoke(app, ["check", str(CONFIG)])
    assert str(result.exception).startswith(f"reporting.profile: {message}")


@pytest.mark.parametrize("kind", ["training", "evaluation"])
def test_a_seed_that_stands_twice_is_refused(kind: str) -> None:
    values = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    values["seeds"][kind] = [1, 1]
    write(values)
    result = CliRunner().invoke(app, ["check", str(CONFIG)])
    assert f"seeds.{kind}: a seed stands twice" in str(result.exception)

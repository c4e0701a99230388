"""What a start refuses before its first job, by what Snakemake says of the planned jobs."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vr1repro.config.loader import load
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import CONTENT, mark_planned, write_manifest
from vr1repro.jobs.start import PlannedAgain, planned_again, refuse_to_remake, refuse_too_small

PARAMS = {"code": "1", "settings": "2"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished training."""
    folder = tmp_path / "train" / "zero" / "s1" / "stage1"
    folder.mkdir(parents=True)
    write_manifest(folder, "rl", {}, {})
    return folder


def workflow(folder: Path, rule: str = "train_rl_stage", **changes: Any) -> Any:
    """Snakemake's workflow with one planned job, and what its reason and records say."""
    job = SimpleNamespace(
        rule=SimpleNamespace(name=rule),
        output=SimpleNamespace(closed=str(folder / CONTENT)),
        params=SimpleNamespace(**PARAMS),
    )
    reason = SimpleNamespace(
        forced=changes.get("forced", False),
        updated_input=changes.get("updated_input", set()),
        updated_input_run=changes.get("updated_input_run", set()),
    )
    return SimpleNamespace(
        dag=SimpleNamespace(needrun_jobs=lambda: [job], reason=lambda _: reason),
        persistence=SimpleNamespace(
            params_changed=lambda _: changes.get("params_changed", False),
            code_changed=lambda _: changes.get("code_changed", ()),
            input_changed=lambda _: changes.get("input_changed", ()),
        ),
        global_resources=changes.get("resources", {}),
    )


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({}, False),
        ({"updated_input": {"a"}, "updated_input_run": {"a"}}, False),  # another job is to update it
        ({"updated_input": {"a", "b"}, "updated_input_run": {"a"}}, True),
        ({"forced": True}, True),
        ({"params_changed": True}, True),
        ({"code_changed": ("x",)}, True),
        ({"input_changed": ("x",)}, True),
    ],
)
def test_a_job_has_changed_itself(folder: Path, changes: dict[str, Any], changed: bool) -> None:
    assert list(planned_again(workflow(folder, **changes))) == [PlannedAgain(folder, PARAMS, changed)]


@pytest.mark.parametrize(("params", "changed"), [(PARAMS, False), ({**PARAMS, "code": "0"}, True), (None, True)])
def test_after_a_refusal_the_mark_says_what_it_was_planned_for(
    folder: Path, params: dict[str, str] | None, changed: bool
) -> None:
    (folder / CONTENT).unlink()
    mark_planned(folder, params)
    assert [job.changed for job in planned_again(workflow(folder))] == [changed]


def test_only_finished_artefacts_of_guarded_rules_count(folder: Path, tmp_path: Path) -> None:
    assert list(planned_again(workflow(folder, rule="make_tables", forced=True))) == []
    assert list(planned_again(workflow(tmp_path / "unfinished", forced=True))) == []


def test_what_has_changed_is_refused_unless_remake_names_it(folder: Path) -> None:
    changed, waiting = PlannedAgain(folder, PARAMS, True), PlannedAgain(folder.parent / "stage2", PARAMS, False)
    with pytest.raises(UserError, match="are finished and would be made again") as refused:
        refuse_to_remake([changed, waiting], "")
    assert f"--config remake={folder}" in str(refused.value)
    assert "stage2" not in str(refused.value)
    assert refuse_to_remake([changed, waiting], f"{folder}/") is None
    assert refuse_to_remake([waiting], "") is None


@pytest.mark.parametrize(("given", "fits"), [({}, False), ({"gpu": 0}, False), ({"gpu": 10**6}, True)])
def test_a_job_is_not_scaled_down(repo: Path, folder: Path, given: dict[str, int], fits: bool) -> None:
    config = load(repo / "config" / "paper-8gpu-7b.yaml")
    resources = {name: SimpleNamespace(value=value) for name, value in given.items()}
    planned = workflow(folder, resources=resources)
    if fits:
        assert refuse_too_small(planned, config) is None
    else:
        with pytest.raises(UserError, match=r"--resources gpu=.*: a job needs \d+ GPUs"):
            refuse_too_small(planned, config)

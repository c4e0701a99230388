"""A run's revisions: resolved once, put on record, never invented."""

import json
import multiprocessing
from pathlib import Path

import pytest

from vr1repro.config.models import HubModel, LabModelSource, LocalData, LocalModel
from vr1repro.config.problems import ProblemSource
from vr1repro.core import fetch
from vr1repro.core.errors import UserError
from vr1repro.core.revisions import FILE, Revisions

OLD, NEW = "a" * 40, "b" * 40
MODEL = HubModel(kind="hub", id="x/model", revision=None, context=8)
DATA = ProblemSource(kind="hub", id="x/data")


@pytest.fixture
def newest(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the hub says is newest, by kind and repository."""
    commits = {"model x/model": OLD, "dataset x/data": OLD}
    monkeypatch.setattr(fetch, "newest", lambda repository, kind: commits[f"{kind} {repository}"])
    return commits


def record(folder: Path) -> dict[str, str | None]:
    content: dict[str, str | None] = json.loads((folder / FILE).read_text())
    return content


def test_the_first_answer_holds(newest: dict[str, str], tmp_path: Path) -> None:
    revisions = Revisions(tmp_path / "run")
    assert revisions.pinned(MODEL, "model") == MODEL.model_copy(update={"revision": OLD})
    newest["model x/model"] = NEW
    assert revisions.pinned(MODEL, "model").revision == OLD
    assert Revisions(tmp_path / "run").pinned(DATA, "dataset").revision == OLD
    assert record(tmp_path / "run") == {"model x/model": OLD, "dataset x/data": OLD}
    assert Revisions(tmp_path / "another-run").pinned(MODEL, "model").revision == NEW


def test_a_models_and_a_data_sets_repository_are_two(newest: dict[str, str], tmp_path: Path) -> None:
    newest["dataset x/model"] = NEW
    same = ProblemSource(kind="hub", id="x/model")
    assert Revisions(tmp_path).pinned(MODEL, "model").revision == OLD
    assert Revisions(tmp_path).pinned(same, "dataset").revision == NEW


def test_a_given_revision_is_put_on_record_and_the_hub_is_not_asked(tmp_path: Path) -> None:
    given = MODEL.model_copy(update={"revision": NEW})
    assert Revisions(tmp_path).pinned(given, "model") == given
    assert Revisions(tmp_path).pinned(MODEL, "model") == given  # another place of the config, which leaves it open
    assert record(tmp_path) == {"model x/model": NEW}


def test_one_run_takes_one_commit(newest: dict[str, str], tmp_path: Path) -> None:
    Revisions(tmp_path).pinned(MODEL, "model")
    with pytest.raises(UserError, match=f"this run took {OLD} of model x/model, and the config's `revision` is {NEW}"):
        Revisions(tmp_path).pinned(MODEL.model_copy(update={"revision": NEW}), "model")
    assert record(tmp_path) == {"model x/model": OLD}


def test_nothing_is_invented_for_a_folder_and_nothing_at_all_for_the_lab(tmp_path: Path) -> None:
    revisions = Revisions(tmp_path)
    model = LocalModel(kind="path", path="weights", context=8)
    data = LocalData(kind="path", path="rows")
    assert revisions.pinned(model, "model") == model
    assert revisions.pinned(data, "dataset") == data
    lab = LabModelSource(kind="lab", context=8)
    assert revisions.pinned(lab, "model") == lab
    assert record(tmp_path) == {"model path weights": None, "dataset path rows": None}


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_record_is_no_reason_to_ask_again(newest: dict[str, str], tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UserError, match=rf"{FILE}:.*mend it: it says what this run was made of"):
        Revisions(tmp_path).pinned(MODEL, "model")


def test_what_the_hub_does_not_say_is_not_put_on_record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def silent(repository: str, kind: str) -> str:
        raise UserError(f"{repository}: cannot be fetched")

    monkeypatch.setattr(fetch, "newest", silent)
    with pytest.raises(UserError, match="x/model: cannot be fetched"):
        Revisions(tmp_path).pinned(MODEL, "model")
    assert not (tmp_path / FILE).exists()


def _pin(folder: Path, number: int) -> None:
    source = ProblemSource(kind="hub", id=f"x/{number % 4}", revision=f"{number % 4}" * 40)
    Revisions(folder).pinned(source, "dataset")


def test_jobs_that_fetch_at_once_lose_none_of_each_others_entries(tmp_path: Path) -> None:
    workers = [multiprocessing.get_context("fork").Process(target=_pin, args=(tmp_path, n)) for n in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 16
    assert record(tmp_path) == {f"dataset x/{n}": f"{n}" * 40 for n in range(4)}

"""`vr1repro card` as a person calls it: what the hub's own classes read, and what the manifests say."""

import json
import re
import shutil
from pathlib import Path

import pytest
from card_run import BASE_COMMIT, BENCHMARK, COLDSET, CONFIG, HOSTILE, QUESTIONS, RUN, SFT, SLUG, STEP, write_run
from huggingface_hub import DatasetCard, EvalResult, ModelCard
from typer.testing import CliRunner

from vr1repro.cli import app
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import content_sha, json_sha, read_manifest


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, repo: Path) -> Path:
    folder = tmp_path_factory.mktemp("cards")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_run(repo)
    return folder


@pytest.fixture(autouse=True)
def run(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def card(*words: str) -> str:
    result = CliRunner().invoke(app, ["card", *words])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def refused(*words: str) -> str:
    result = CliRunner().invoke(app, ["card", *words])
    assert isinstance(result.exception, UserError)
    return str(result.exception)


def right_answers() -> float:
    """Percent of the run's verdicts that are `right`."""
    verdicts = [
        json.loads(line)["verdict"]
        for path in (RUN / "eval" / SLUG).glob("**/verdicts/rule.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert len(verdicts) == 2 * QUESTIONS
    return 100 * verdicts.count("right") / len(verdicts)


def changed_manifest(folder: Path, settings: dict[str, object]) -> None:
    """A manifest with other settings, closed as its job would have closed it."""
    manifest = read_manifest(folder)
    manifest["content"]["settings"] |= settings
    manifest["content_sha"] = json_sha(manifest["content"])
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "content.sha256").write_text(manifest["content_sha"] + "\n", encoding="ascii")


def test_a_checkpoints_card_has_the_hubs_metadata() -> None:
    data = ModelCard(card(str(STEP))).data
    assert data.base_model == ["Qwen/Qwen2.5-VL-7B-Instruct"]
    assert data.datasets == ["Osilly/Vision-R1-rl"]
    assert (data.library_name, data.pipeline_tag) == ("transformers", "image-text-to-text")
    assert data.license is None
    assert "micro-scale" in data.tags
    assert data.model_name == SLUG
    (result,) = data.eval_results
    assert isinstance(result, EvalResult)
    assert (result.metric_type, result.dataset_type) == ("accuracy", BENCHMARK)
    assert result.metric_value == pytest.approx(right_answers(), abs=0.01)
    assert "stand-in" in result.dataset_name
    arguments = result.metric_args
    assert (arguments["protocol"], arguments["scoring_profile"]) == ("single", "rule")
    assert (arguments["responses"], arguments["evaluation_seeds"]) == (2 * QUESTIONS, 2)
    low, high = arguments["interval"]
    assert 0 < low < result.metric_value < high < 100


def test_a_checkpoints_card_says_what_it_was_made_from() -> None:
    text = card(str(STEP))
    assert content_sha(STEP) in text
    for folder in (SFT, COLDSET, RUN / "models/base", RUN / "problems/rl"):
        assert f"| {folder.relative_to(RUN)} |" in text
        assert content_sha(folder)[:12] in text
    assert f"Qwen/Qwen2.5-VL-7B-Instruct@{BASE_COMMIT}" in text
    # The set's problems have no manifest in the run: that is said, and nothing is made up.
    assert re.search(r"\| [. ]*cold \| its manifest is not here \| not stated \| e{12} \| not stated \|", text)
    rate = read_manifest(STEP)["content"]["settings"]["rl"]["learning_rate"]
    assert f"| rl.learning\\_rate | {rate} |" in text or f"| rl.learning_rate | {rate} |" in text
    assert "TRL's GRPOTrainer instead of" in text
    assert "TRL's SFTTrainer instead of" in text
    assert "HallusionBench" not in text  # it was not asked
    stage = STEP.parent / "content.sha256"
    assert f"snakemake --cores all {stage} --configfile" in text
    assert "Not stated. It follows from" in text


def test_a_cold_start_sets_card_has_the_hubs_metadata() -> None:
    read = DatasetCard(card(str(COLDSET)))
    assert read.data.size_categories == ["n<1K"]
    assert "image-text-to-text" in read.data.task_categories
    assert read.data.configs[0]["data_files"][0]["path"] == "coldset.parquet"
    assert read.data.dataset_info["splits"] == [{"name": "train", "num_examples": 27}]
    assert {"name": "image", "dtype": "image"} in read.data.dataset_info["features"]
    assert "27 of 64 problems were kept" in read.text
    assert content_sha(COLDSET) in read.text


@pytest.mark.parametrize("folder", [STEP, COLDSET])
def test_hostile_text_in_a_manifest_is_shown_and_does_nothing(folder: Path) -> None:
    text = card(str(folder))
    assert "alert(1)" in text
    assert "<script" not in text
    assert "![x]" not in text
    assert "\n# heading" not in text
    (row,) = [line for line in text.splitlines() if "alert(1)" in line]
    pipes = len(re.findall(r"(?<!\\)\|", row))
    head = next(line for line in reversed(text[: text.index(row)].splitlines()) if line.startswith("|---"))
    assert pipes == head.count("|")
    assert HOSTILE not in text


def test_an_id_that_the_hub_cannot_have_is_no_metadata() -> None:
    changed_manifest(RUN / "problems/rl", {"source": {"kind": "hub", "id": HOSTILE}})
    sha = content_sha(RUN / "problems/rl")
    manifest = read_manifest(STEP)
    manifest["content"]["inputs"]["problems"] = sha
    (STEP / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    changed_manifest(STEP, {})
    text = card(str(STEP))
    assert f"| {sha[:12]} |" in text
    assert ModelCard(text).data.datasets is None
    assert "<script" not in text


def test_weights_from_elsewhere_are_not_said_to_be_ours() -> None:
    text = card(str(RUN / "models/base"))
    assert f"taken from elsewhere: Qwen/Qwen2.5-VL-7B-Instruct@{BASE_COMMIT}" in text
    assert "vr1repro made" not in text


def test_a_checkpoint_without_responses_and_one_without_a_run() -> None:
    text = card(str(SFT))
    assert "no responses of these weights were graded" in text
    assert ModelCard(text).data.eval_results is None
    alone = shutil.copytree(SFT, Path("elsewhere"))
    text = card(str(alone))
    assert "the run that made it is not here" in text
    assert "its manifest is not here" in text
    assert ModelCard(text).data.base_model is None
    assert card(str(alone), "--run", str(RUN)).count(content_sha(RUN / "models/base")[:12]) == 1


def test_the_folder_of_evaluate_gives_the_results() -> None:
    out = Path("mine")
    shutil.copytree(RUN / "eval" / SLUG, out / "mymodel")
    shutil.copytree(RUN / "problems" / BENCHMARK, out / "questions" / BENCHMARK)
    alone = shutil.copytree(STEP, Path("elsewhere"))
    data = ModelCard(card(str(alone), "--run", str(out))).data
    assert data.model_name == "mymodel"
    assert [result.metric_value for result in data.eval_results] == [pytest.approx(right_answers(), abs=0.01)]
    assert "holds no responses of" in refused(str(SFT), "--run", str(out))


def test_a_licence_is_the_users_to_state() -> None:
    assert ModelCard(card(str(STEP), "--license", "apache-2.0")).data.license == "apache-2.0"
    assert DatasetCard(card(str(COLDSET), "--license", "cc-by-nc-sa-4.0")).data.license == "cc-by-nc-sa-4.0"
    assert "--license a b" in refused(str(STEP), "--license", "a b")


def test_a_card_is_written_but_over_no_file_that_a_manifest_closes() -> None:
    path = STEP / "README.md"
    assert "written" in card(str(STEP), "--out", str(path))
    assert ModelCard.load(path).data.model_name == SLUG
    before = (COLDSET / "README.md").read_bytes()
    assert "closes this file" in refused(str(COLDSET), "--out", str(COLDSET / "README.md"))
    assert (COLDSET / "README.md").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere",), "no manifest.json"),
        ((str(RUN / "problems/rl"),), "of kind problems"),
        ((str(STEP.parent),), "of kind rl-stage"),
    ],
)
def test_what_gets_no_card(words: tuple[str, ...], message: str) -> None:
    assert message in refused(*words)


def test_a_checkpoint_of_another_run_and_an_edited_manifest_are_refused() -> None:
    other = shutil.copytree(RUN / "models/base", Path("other"))
    changed_manifest(other, {"context": 1})
    assert f"no finished folder of {RUN}" in refused(str(other), "--run", str(RUN))
    manifest = read_manifest(other)
    manifest["content"]["settings"]["context"] = 2
    (other / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert "was edited" in refused(str(other))


def test_a_set_that_was_not_built_here_has_its_own_card() -> None:
    manifest = read_manifest(COLDSET)
    manifest["content"]["settings"] = {}
    (COLDSET / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    changed_manifest(COLDSET, {"source": {"kind": "hub", "id": "Osilly/Vision-R1-cold"}})
    assert "a released set has a card" in refused(str(COLDSET))


@pytest.mark.slow
def test_cards_of_the_kept_run(repo: Path) -> None:
    run = str(repo / "results/reference/micro")
    data = ModelCard(card("train/vision-r1/s1/stage2/step80", "--run", run)).data
    assert [result.dataset_type for result in data.eval_results] == ["mathvista", "mathverse", "mmmath"]
    assert DatasetCard(card("coldset", "--run", run)).data.size_categories == ["1K<n<10K"]
    assert CONFIG.is_file()  # nothing of this run was touched

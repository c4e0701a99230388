"""The tasks that `vr1repro tasks` writes, in lm-eval; and that an lm-eval run of them equals an evaluation of ours."""

import base64
import hashlib
import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from lab_sizes import LAB
from llm_server import Asked, LlmServer, completion
from PIL import Image

pytest.importorskip("lm_eval")

from lm_eval.tasks import TaskManager

from vr1repro.config.evaluation import EvaluationSettings
from vr1repro.config.problems import ProblemSource
from vr1repro.core.jsonl import read, read_lines
from vr1repro.core.records import Verdict
from vr1repro.evaluation.grading import grade_file
from vr1repro.evaluation.prompts import prompt
from vr1repro.evaluation.run import BenchmarkSpec, EvaluatedModel, evaluate
from vr1repro.evaluation.task_files import PLACEHOLDER, load, write_tasks
from vr1repro.lab.benchmarks import write_benchmark
from vr1repro.problems.load import load_problems

LAB_BENCHMARKS = {"mathvista": 6, "mathverse": 2, "mmmath": 6}


def test_the_yaml_tasks_are_found_and_send_the_same_prompts(shared: Path, tmp_path: Path) -> None:
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    data = str(shared / "mathvision" / "problems-240.parquet")
    manager = TaskManager(
        include_path=str(write_tasks(tmp_path)), include_defaults=False, metadata={"data": {"mathvision": data}}
    )
    assert set(manager.all_tasks) == {
        "vr1_mathvista", "vr1_mathvista_cot", "vr1_mathverse", "vr1_mathverse_direct", "vr1_mathverse_cot",
        "vr1_mmmath", "vr1_mathvision", "vr1_mathvision_direct", "vr1_mathvision_cot", "vr1_dynamath",
        "vr1_dynamath_direct", "vr1_mmstar", "vr1_mmstar_direct", "vr1_chartqa", "vr1_chartqa_direct", "vr1_mme",
        "vr1_mme_direct", "vr1_hallusionbench", "vr1_hallusionbench_direct",
    }  # fmt: skip
    task = manager.load(["vr1_mathvision_cot"])["tasks"]["vr1_mathvision_cot"]
    docs = list(task.dataset["test"])
    golds = [task.process_results(doc, [f"so \\boxed{{{doc['answer']}}}"])["acc"] for doc in docs[:20]]
    assert golds == [1.0] * 20
    assert task.process_results(docs[0], ["I cannot say."])["acc"] == 0.0
    task.build_all_requests(limit=3)
    for instance, problem in zip(task.instances, task.dataset["test"].problems, strict=False):
        text, sampling, media = instance.args
        assert text == "<image>" + prompt("mathvision", problem, "cot")
        assert (sampling["until"], sampling["max_gen_toks"], sampling["temperature"]) == ([], 16000, 0.6)
        assert [image.size for image in media["visual"]] == [Image.open(io.BytesIO(problem.image)).size]


def test_a_folder_without_the_splits_name_is_read(tmp_path: Path) -> None:
    data = write_benchmark(LAB.world, "mathvista", 3, 1, tmp_path / "made")
    (tmp_path / "data").mkdir()
    data.rename(tmp_path / "data" / "questions.parquet")
    docs = load("mathvista")(data={"mathvista": str(tmp_path / "data")})
    assert [len(split) for split in docs.values()] == [3]


@pytest.mark.parametrize(("slug", "scores"), [("mme", (200, 0, 50)), ("hallusionbench", (100, 0, 100 / 3))])
def test_a_score_of_shares_is_put_together_by_lm_eval(slug: str, scores: tuple[float, ...], tmp_path: Path) -> None:
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    data = write_benchmark(LAB.world, slug, 1, 1, tmp_path / slug)
    manager = TaskManager(
        include_path=str(write_tasks(tmp_path / "tasks")), include_defaults=False, metadata={"data": str(data)}
    )
    task = manager.load([f"vr1_{slug}"])["tasks"][f"vr1_{slug}"]
    docs = list(task.dataset["test"])
    score = task.aggregation()["score"]
    flipped = {"Yes": "No", "No": "Yes"}
    right, wrong = ([reply(doc["answer"]) for doc in docs] for reply in (str, flipped.__getitem__))
    # Each second question is right: of MME no picture is, of HallusionBench no figure and one of two questions.
    half = [(right if number % 2 else wrong)[number] for number in range(len(docs))]
    for replies, value in zip((right, wrong, half), scores, strict=True):
        items = [task.process_results(doc, [reply])["score"] for doc, reply in zip(docs, replies, strict=True)]
        assert score(items) == pytest.approx(value)


def looks(picture: bytes) -> str:
    """A picture's pixels; lm-eval sends a picture that it has encoded again."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    return hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()


def shown(request: Asked) -> tuple[str, str]:
    """What a model is shown: the picture, and the text without lm-eval's mark of the picture's place."""
    (message,) = request.body["messages"]
    picture, *texts = message["content"]
    data = base64.b64decode(picture["image_url"]["url"].partition(",")[2])
    return looks(data), "".join(text["text"] for text in texts).removeprefix(PLACEHOLDER)


@pytest.mark.slow
def test_lm_eval_and_our_own_evaluation_ask_and_score_alike(tmp_path: Path) -> None:
    """Both ask one server, which says the right answer to every other question."""
    data = {slug: write_benchmark(LAB.world, slug, n, 1, tmp_path / slug) for slug, n in LAB_BENCHMARKS.items()}
    sources = {slug: ProblemSource(kind="path", path=str(path)) for slug, path in data.items()}
    replies: dict[tuple[str, str], str] = {}
    for slug, source in sources.items():
        for number, problem in enumerate(load_problems(source)):
            assert problem.image is not None
            answer = problem.answer if number % 2 else "nothing of the kind"
            replies[looks(problem.image), prompt(slug, problem, "paper")] = f"<answer> Final Answer:{answer} </answer>"
    settings = EvaluationSettings(
        benchmarks=list(data), protocols=["single"], max_tokens=16000, engine={"kind": "openai", "model": "m"}
    )
    with LlmServer(lambda request: completion(replies[shown(request)])).running() as server:
        model = EvaluatedModel(location=server.url, name="m", run="r")
        results = evaluate(model, [BenchmarkSpec(*pair) for pair in sources.items()], settings, [1], tmp_path / "out")
        ours, server.asked = server.asked, []
        lm_eval = [
            *("run", "--model", "local-chat-completions", "--apply_chat_template", "--log_samples"),
            *("--model_args", f"model=m,base_url={server.url}/chat/completions,num_concurrent=1,max_retries=1"),
            *("--include_path", str(write_tasks(tmp_path / "tasks")), "--output_path", str(tmp_path / "lm_eval")),
            *("--tasks", ",".join(f"vr1_{slug}" for slug in data)),
            *("--metadata", json.dumps({"data": {slug: str(path) for slug, path in data.items()}})),
        ]
        done = subprocess.run([sys.executable, "-m", "lm_eval", *lm_eval], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        theirs = server.asked
    assert sorted(map(shown, ours)) == sorted(map(shown, theirs))
    assert len(ours) == len(replies) == 22
    sampling = ("temperature", "top_p", "max_tokens")
    assert {tuple(request.body[name] for name in sampling) for request in (*ours, *theirs)} == {(0.6, 0.95, 16000)}
    for result in results:
        verdicts = result.folder / "rule.jsonl"
        grade_file(
            result.benchmark, "rule", result.folder / "responses.jsonl", data[result.benchmark], verdicts,
            protocol="single",
        )  # fmt: skip
        (samples,) = (tmp_path / "lm_eval").rglob(f"samples_vr1_{result.benchmark}_*.jsonl")
        accuracies = {sample["doc"]["id"]: sample["acc"] for _, sample in read_lines(samples)}
        assert accuracies == {verdict.id: float(verdict.correct is True) for verdict in read(verdicts, Verdict)}
        assert set(accuracies.values()) == {0.0, 1.0}

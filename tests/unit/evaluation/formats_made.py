"""Writes the fixtures of `response_formats`: one model's replies in the files of each tool.

`python tests/unit/evaluation/formats_made.py FOLDER` makes all; tools that are not installed are left out and named.
`tests` and `tests/unit/lab` must be importable, as pytest makes them.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lab_sizes import LAB
from llm_server import Asked, LlmServer, Reply, completion

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.questions import question_rows
from vr1repro.core.jsonl import write_rows
from vr1repro.evaluation.task_files import write_tasks
from vr1repro.lab.benchmarks import write_benchmark

QUESTIONS = 6
# Module of each tool, and the fixture that only it makes.
TOOLS = {"lm-eval": "lm_eval", "lmms-eval": "lmms_eval", "XlsxWriter": "xlsxwriter"}
MADE_BY = {"lm-eval.jsonl": "lm-eval", "lmms-eval.jsonl": "lmms-eval", "vlmevalkit.xlsx": "XlsxWriter"}


def make(folder: Path) -> None:
    """Write every fixture whose tool is here."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        data = _told_apart(write_benchmark(LAB.world, "mathvista", QUESTIONS, 1, Path(work) / "data"))
        rows = [row for _, row in question_rows(lookup.facts("mathvista"), data)]
        write_rows(folder / "questions.jsonl", rows)
        texts = [reply(number, row["answer"]) for number, row in enumerate(rows)]
        replies = dict(zip((row["question"] for row in rows), texts, strict=True))
        _plain(folder, rows, texts)
        _vlmevalkit(folder, rows, texts)
        _mathvista(folder, rows, texts)
        for tool, run in (("lm-eval", lm_eval), ("lmms-eval", lmms_eval)):
            if find_spec(TOOLS[tool]) is None:
                print(f"{tool} is not installed: its fixture is left as it is")
                continue
            shutil.copyfile(run(data, replies, Path(work) / tool), folder / f"{tool}.jsonl")
    _mathvision(folder)


def _told_apart(data: Path) -> Path:
    """Questions of different texts, by which the server that plays the model knows them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(data)
    for name in ("question", "query"):
        texts = [
            text.replace("What", f"Chart {number}: what").replace("How", f"Chart {number}: how")
            for number, text in enumerate(table[name].to_pylist(), 1)
        ]
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), pa.array(texts))
    pq.write_table(table, data)
    return data


def reply(number: int, answer: str) -> str:
    """A reply to the question of a number: right ones, wrong ones, and texts that files of tables may change."""
    return (
        f"It is so.\nThe answer is {answer}",
        f'=1+1, says "he",\tso: {answer}',
        "I cannot say.",
        f"a,b;c\r\n\\boxed{{{answer}}}",
        "The answer is 1000000",
        f"é _x000D_ <answer> Final Answer:{answer} </answer>",
    )[number % 6]


def _plain(folder: Path, rows: list[Any], texts: list[str]) -> None:
    pairs = [{"pid": row["pid"], "response": text} for row, text in zip(rows, texts, strict=True)]
    write_rows(folder / "own.jsonl", pairs)
    (folder / "list.json").write_text(json.dumps(pairs))
    for suffix, delimiter in (("csv", ","), ("tsv", "\t")):
        with (folder / f"plain.{suffix}").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, ["pid", "response"], delimiter=delimiter)
            writer.writeheader()
            writer.writerows(pairs)


def _vlmevalkit(folder: Path, rows: list[Any], texts: list[str]) -> None:
    """As `dump` of VLMEvalKit's vlmeval/smp/file.py writes the frame of `infer_data_job`."""
    import pandas as pd

    columns = ("question", "answer", "question_type", "answer_type")
    frame = pd.DataFrame([{"index": place, **{name: row[name] for name in columns}} for place, row in enumerate(rows)])
    frame["prediction"] = texts
    frame.to_csv(folder / "vlmevalkit.tsv", sep="\t", index=False, encoding="utf-8", quoting=csv.QUOTE_ALL)
    with (folder / "vlmevalkit.json").open("w") as stream:
        json.dump(frame.to_dict("records"), stream, indent=4, ensure_ascii=False)
    if find_spec("xlsxwriter") is None:
        print("XlsxWriter is not installed: vlmevalkit.xlsx is left as it is")
        return
    options = {"options": {"strings_to_formulas": False}}
    with pd.ExcelWriter(folder / "vlmevalkit.xlsx", engine="xlsxwriter", engine_kwargs=options) as writer:
        frame.to_excel(writer, index=False)


def _mathvista(folder: Path, rows: list[Any], texts: list[str]) -> None:
    """As `save_json` of MathVista's utilities.py writes the results of evaluation/generate_response.py."""
    results = {
        row["pid"]: {**row, "query": row["query"], "response": text} for row, text in zip(rows, texts, strict=True)
    }
    (folder / "mathvista.json").write_text(json.dumps(results, indent=4))


def _mathvision(folder: Path) -> None:
    """As MATH-V's models/*.py write an answer file: the questions' own rows with `response`."""
    rows = [
        {"id": str(number), "question": f"What is {number} + 1?\n<image1>", "options": [], "answer": str(number + 1),
         "image": f"images/{number}.jpg", "solution": None, "level": 1, "subject": "arithmetic"}
        for number in range(1, 5)
    ]  # fmt: skip
    write_rows(folder / "mathvision-questions.jsonl", rows)
    texts = [reply(number, row["answer"]) for number, row in enumerate(rows)]
    write_rows(folder / "mathvision.jsonl", [{**row, "response": t} for row, t in zip(rows, texts, strict=True)])
    own = [{"id": row["id"], "response": text} for row, text in zip(rows, texts, strict=True)]
    write_rows(folder / "mathvision-own.jsonl", own)


def _answering(replies: dict[str, str]) -> Callable[[Asked], Reply]:
    def answer(request: Asked) -> Reply:
        return completion(replies[max((text for text in replies if text in request.text), key=len)])

    return answer


def lm_eval(data: Path, replies: dict[str, str], work: Path) -> Path:
    """The samples of a run of lm-eval on the task that `vr1repro tasks` writes."""
    with LlmServer(_answering(replies)).running() as server:
        log = _run(
            "lm_eval", {}, "run", "--model", "local-chat-completions", "--apply_chat_template", "--log_samples",
            "--model_args", f"model=m,base_url={server.url}/chat/completions,num_concurrent=1,max_retries=1",
            "--include_path", str(write_tasks(work / "tasks")), "--output_path", str(work / "out"),
            "--tasks", "vr1_mathvista", "--metadata", json.dumps({"data": {"mathvista": str(data)}}),
        )  # fmt: skip
    return _only(work / "out", "samples_vr1_mathvista_*.jsonl", log)


def lmms_eval(data: Path, replies: dict[str, str], work: Path) -> Path:
    """The samples of a run of lmms-eval: its own MathVista task on local questions, a server as model and judge."""
    spec = find_spec("lmms_eval")
    assert spec is not None
    assert spec.origin is not None
    files = [str(file.resolve()) for file in ([data] if data.is_file() else sorted(data.rglob("*.parquet")))]
    (work / "tasks").mkdir(parents=True)
    (work / "tasks" / "local_mathvista.yaml").write_text(
        f"include: {Path(spec.origin).parent}/tasks/mathvista/mathvista_testmini_cot.yaml\n"
        "task: local_mathvista\ntag: []\ndataset_path: parquet\n"
        f"dataset_kwargs: {{data_files: {{testmini: {json.dumps(files)}}}}}\n"
    )
    with LlmServer(_answering(replies)).running() as server:
        keys = dict.fromkeys(("OPENAI_API_BASE", "OPENAI_BASE_URL"), server.url)
        keys |= {"OPENAI_API_KEY": "none", "OPENAI_API_URL": f"{server.url}/chat/completions"}
        log = _run(
            "lmms_eval", keys, "--model", "openai", "--model_args", "model_version=m", "--tasks", "local_mathvista",
            "--include_path", str(work / "tasks"), "--log_samples", "--output_path", str(work / "out"),
            "--batch_size", "1",
        )  # fmt: skip
    return _only(work / "out", "*_samples_local_mathvista.jsonl", log)


def _only(folder: Path, pattern: str, log: str) -> Path:
    samples = list(folder.rglob(pattern))
    # lmms-eval ends with 0 after an error of its own.
    assert len(samples) == 1, log
    return samples[0]


def _run(module: str, environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


if __name__ == "__main__":
    print({tool: version(tool) for tool, module in TOOLS.items() if find_spec(module) is not None})
    make(Path(sys.argv[1]))

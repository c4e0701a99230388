"""The benchmarks of the lab, in the columns and the official words of the real ones.

Sources: MathVista AI4Math/MathVista (testmini), MathVerse AI4Math/MathVerse (testmini), MM-Math THU-KEG/MM_Math.
"""

import json
import random
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from vr1repro.config.lab import Difficulty, Family, Kind, LabWorld
from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.lab import drawing, formats, general, questions, world
from vr1repro.lab.formats import VERSIONS
from vr1repro.lab.world import Scene

Row = dict[str, Any]
_CHOICE_SHARE = 0.5  # about MathVista's 540 of 1000 and MathVerse's 436 of 788

_STRING = {"dtype": "string", "_type": "Value"}
_INT = {"dtype": "int64", "_type": "Value"}
_FLOAT = {"dtype": "float64", "_type": "Value"}
_IMAGE = {"_type": "Image"}
_STRINGS = {"feature": _STRING, "_type": "List"}

_FEATURES: dict[str, dict[str, Any]] = {
    "mathvista": {
        **dict.fromkeys(("pid", "question", "image"), _STRING),
        "decoded_image": _IMAGE,
        "choices": _STRINGS,
        "unit": _STRING,
        "precision": _FLOAT,
        **dict.fromkeys(("answer", "question_type", "answer_type"), _STRING),
        "metadata": {
            **dict.fromkeys(("category", "context", "grade"), _STRING),
            **dict.fromkeys(("img_height", "img_width"), _INT),
            "language": _STRING,
            "skills": _STRINGS,
            **dict.fromkeys(("source", "split", "task"), _STRING),
        },
        "query": _STRING,
    },
    "mathverse": {
        **dict.fromkeys(("sample_index", "problem_index", "problem_version", "question"), _STRING),
        "image": _IMAGE,
        **dict.fromkeys(("answer", "question_type"), _STRING),
        "metadata": dict.fromkeys(("split", "source", "subject", "subfield"), _STRING),
        **dict.fromkeys(("query_wo", "query_cot", "question_for_eval"), _STRING),
    },
    "mmmath": {
        **dict.fromkeys(("question", "file_name", "solution"), _STRING),
        **dict.fromkeys(("year", "difficult", "knowledge"), _STRING),
        "image": _IMAGE,
    },
}

_TASK: dict[Family, str] = {
    "digits": "math word problem",
    "bars": "figure question answering",
    "polygons": "geometry problem solving",
}
_CONTEXT: dict[Family, str] = {"digits": "puzzle test", "bars": "bar chart", "polygons": "geometry diagram"}
_SKILLS: dict[Kind, list[str]] = {
    "sum": ["arithmetic reasoning"],
    "largest": ["statistical reasoning"],
    "range": ["arithmetic reasoning", "statistical reasoning"],
    "count": ["numeric commonsense"],
}
_SUBJECT: dict[Family, str] = {"digits": "Solid Geometry", "bars": "Functions", "polygons": "Plane Geometry"}
_SUBFIELD: dict[Kind, str] = {"sum": "Length", "largest": "Property", "range": "Expression", "count": "Applied"}
_DIFFICULT: dict[Difficulty, str] = {"easy": "容易", "medium": "普通", "hard": "困难"}
_GRADES = ("七年级", "八年级", "九年级")
_TERMS = ("上学期", "下学期")
_KNOWLEDGE: dict[Family, str] = {
    "digits": "Transformations of Shapes",
    "bars": "Functions",
    "polygons": "Properties of Shapes",
}


def write_benchmark(config: LabWorld, slug: str, n: int, seed: int, out_dir: Path) -> Path:
    """Write one benchmark as a folder that `datasets.load_dataset` reads, images decoded.

    Args:
        config: The world whose `benchmark` partition is drawn from.
        slug: mathvista, mathverse, mmmath, or one of `lab.general`.
        n: Problems; MathVerse has five rows of each, MME two, HallusionBench up to four.
        seed: Equal seeds give equal bytes.
        out_dir: Folder to write `testmini.parquet` into.

    Returns:
        The file written.

    Raises:
        UserError: The lab has no such benchmark, or the partition does not hold `n` problems.
    """
    known = sorted((*_ROWS, *general.ROWS))
    if slug not in known:
        raise UserError(f"benchmarks.{slug}: the lab generates {', '.join(known)} only; give it another source")
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = random.Random(f"benchmark:{slug}:{seed}")
    # A benchmark's question is asked in words; the versions of MathVerse that ask by a sign make theirs themselves.
    worded = config.model_copy(update={"signed": 0.0})
    scenes = world.unique_scenes(worded, "benchmark", n * general.PICTURES.get(slug, 1), rng)
    if slug in general.ROWS:
        rows, features = list(general.ROWS[slug](config, list(scenes), rng)), general.FEATURES[slug]
    else:
        rows = [row for number, scene in enumerate(scenes, start=1) for row in _ROWS[slug](config, number, scene, rng)]
        features = _FEATURES[slug]
    schema = pa.schema(
        [(name, _arrow(feature)) for name, feature in features.items()],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    buffer = BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), buffer)
    path = out_dir / "testmini.parquet"
    write_atomically(path, buffer.getvalue())
    return path


def _arrow(feature: dict[str, Any]) -> Any:
    import pyarrow as pa

    kind = feature.get("_type")
    if kind == "Value":
        return {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64()}[feature["dtype"]]
    if kind == "Image":
        return pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    if kind == "List":
        return pa.list_(_arrow(feature["feature"]))
    return pa.struct([(name, _arrow(part)) for name, part in feature.items()])


def _image(scene: Scene, name: str, signed: bool, jitter: int, rng: random.Random) -> tuple[Row, int]:
    picture = drawing.draw(
        scene.family, scene.task.values, scene.task.kind if signed else None, jitter, random.Random(rng.random())
    )
    return {"bytes": drawing.encode(picture), "path": name}, picture.width


def _mathvista(config: LabWorld, number: int, scene: Scene, rng: random.Random) -> Iterator[Row]:
    choices = world.make_choices(scene.task, rng) if rng.random() < _CHOICE_SHARE else None
    name = f"images/{number}.png"
    image, width = _image(scene, name, False, config.jitter, rng)
    general = scene.task.kind == "count"
    yield {
        "pid": str(number),
        "question": scene.question,
        "image": name,
        "decoded_image": image,
        "choices": choices,
        "unit": None,
        "precision": None,
        "answer": str(scene.task.answer),
        "question_type": "multi_choice" if choices else "free_form",
        "answer_type": "text" if choices else "integer",
        "metadata": {
            "category": "general-vqa" if general else "math-targeted-vqa",
            "context": _CONTEXT[scene.family],
            "grade": {"easy": "elementary school", "medium": "high school", "hard": "college"}[
                world.difficulty_of(config, scene.task)
            ],
            "img_height": drawing.CELL,
            "img_width": width,
            "language": "english",
            "skills": _SKILLS[scene.task.kind],
            "source": world.SOURCE,
            "split": "testmini",
            "task": _TASK[scene.family],
        },
        "query": formats.mathvista_query(scene.question, choices),
    }


def _mathverse(config: LabWorld, number: int, scene: Scene, rng: random.Random) -> Iterator[Row]:
    choices = world.make_choices(scene.task, rng) if rng.random() < _CHOICE_SHARE else None
    answer = str(scene.task.answer)
    plain, _ = _image(scene, f"images_version_1-4/image_{number}.png", False, config.jitter, rng)
    signed, _ = _image(scene, f"images_version_5/image_{number}.png", True, config.jitter, rng)
    for version in VERSIONS:
        text = formats.version_text(version, scene.family, scene.task.values, scene.question)
        by_sign = version in ("Vision Dominant", "Vision Only")
        question = formats.mathverse_question(text, choices) if text else ""
        yield {
            "sample_index": str((number - 1) * len(VERSIONS) + VERSIONS.index(version) + 1),
            "problem_index": str(number),
            "problem_version": version,
            "question": question,
            "image": signed if by_sign else plain,
            "answer": ascii_uppercase[choices.index(answer)] if choices else answer,
            "question_type": "multi-choice" if choices else "free-form",
            "metadata": {
                "split": "testmini",
                "source": world.SOURCE,
                "subject": _SUBJECT[scene.family],
                "subfield": _SUBFIELD[scene.task.kind],
            },
            "query_wo": formats.mathverse_query(question, choices is not None, cot=False),
            "query_cot": formats.mathverse_query(question, choices is not None, cot=True),
            "question_for_eval": formats.mathverse_question(scene.question, choices),
        }


def _mmmath(config: LabWorld, number: int, scene: Scene, rng: random.Random) -> Iterator[Row]:
    name = f"{number}.png"
    image, _ = _image(scene, name, False, config.jitter, rng)
    lengths = sorted(config.rows)
    grade = _GRADES[min(lengths.index(len(scene.task.values)) * len(_GRADES) // len(lengths), len(_GRADES) - 1)]
    yield {
        "question": scene.question,
        "file_name": name,
        "solution": f"{scene.task.steps}, \\boxed{{{scene.task.answer}}}",
        "year": grade + _TERMS[questions.KINDS.index(scene.task.kind) % len(_TERMS)],
        "difficult": _DIFFICULT[world.difficulty_of(config, scene.task)],
        "knowledge": _KNOWLEDGE[scene.family],
        "image": image,
    }


_ROWS: dict[str, Callable[[LabWorld, int, Scene, random.Random], Iterator[Row]]] = {
    "mathvista": _mathvista,
    "mathverse": _mathverse,
    "mmmath": _mmmath,
}

"""Stand-ins for the general benchmarks of v4 Table 2, in the columns of the real ones.

Sources of the columns: Lin-Chen/MMStar (val), HuggingFaceM4/ChartQA (test), lmms-lab/MME (test),
lmms-lab/HallusionBench (image). What they ask is the lab's own questions, put as a choice, as a number, or as a
statement to say yes or no to.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from vr1repro.config.lab import Family, Kind, LabWorld
from vr1repro.lab import drawing, world
from vr1repro.lab.questions import Task
from vr1repro.lab.world import Scene

Row = dict[str, Any]

_STRING = {"dtype": "string", "_type": "Value"}
_INT = {"dtype": "int64", "_type": "Value"}
_IMAGE = {"_type": "Image"}
FEATURES: dict[str, dict[str, Any]] = {
    "mmstar": {
        "index": _INT,
        "question": _STRING,
        "image": _IMAGE,
        **dict.fromkeys(("answer", "category", "l2_category"), _STRING),
        "meta_info": dict.fromkeys(("source", "split", "image_path"), _STRING),
    },
    "chartqa": {
        "image": _IMAGE,
        "query": _STRING,
        "label": {"feature": _STRING, "_type": "List"},
        "human_or_machine": _INT,
    },
    "mme": {
        "question_id": _STRING,
        "image": _IMAGE,
        **dict.fromkeys(("question", "answer", "category"), _STRING),
    },
    "hallusionbench": {
        **dict.fromkeys(("category", "subcategory", "visual_input", "set_id", "figure_id", "sample_note"), _STRING),
        **dict.fromkeys(("question_id", "question", "gt_answer_details", "gt_answer", "filename"), _STRING),
        "image": _IMAGE,
    },
}
# Pictures that a problem of n has; HallusionBench's is a set of an original figure and an edited one.
PICTURES: Mapping[str, int] = {"hallusionbench": 2}

_FINE: dict[Kind, tuple[str, str]] = {
    "sum": ("math", "numeric commonsense and calculation"),
    "largest": ("fine-grained perception", "recognition"),
    "range": ("math", "statistical reasoning"),
    "count": ("fine-grained perception", "object counting"),
}
# The real ones' fourteen, so that a sum over all of them is out of 2800 once there are as many problems.
_SUBTASKS = (
    *("existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR"),
    *("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning"),
)
_SUBCATEGORY: dict[Family, str] = {"digits": "ocr", "bars": "figure", "polygons": "math"}
_WISH = " Please answer yes or no."


def _picture(config: LabWorld, scene: Scene, name: str, rng: random.Random) -> Row:
    drawn = drawing.draw(scene.family, scene.task.values, None, config.jitter, random.Random(rng.random()))
    return {"bytes": drawing.encode(drawn), "path": name}


def _statement(scene: Scene, value: int) -> str:
    return f"Is {value} the answer to this? {scene.question}"


def _mmstar(config: LabWorld, scenes: Sequence[Scene], rng: random.Random) -> Iterator[Row]:
    for number, scene in enumerate(scenes):
        choices = world.make_choices(scene.task, rng)
        listed = ", ".join(f"{letter}: {choice}" for letter, choice in zip(ascii_uppercase, choices, strict=False))
        name = f"images/{number}.png"
        category, fine = _FINE[scene.task.kind]
        yield {
            "index": number,
            "question": f"{scene.question}\nOptions: {listed}",
            "image": _picture(config, scene, name, rng),
            "answer": ascii_uppercase[choices.index(str(scene.task.answer))],
            "category": category,
            "l2_category": fine,
            "meta_info": {"source": world.SOURCE, "split": "val", "image_path": name},
        }


def _chartqa(config: LabWorld, scenes: Sequence[Scene], rng: random.Random) -> Iterator[Row]:
    for number, scene in enumerate(scenes):
        yield {
            "image": _picture(config, scene, f"{number}.png", rng),
            "query": scene.question,
            "label": [str(scene.task.answer)],
            "human_or_machine": number % 2,
        }


def _mme(config: LabWorld, scenes: Sequence[Scene], rng: random.Random) -> Iterator[Row]:
    for number, scene in enumerate(scenes):
        category = _SUBTASKS[number % len(_SUBTASKS)]
        name = f"{category}/{number:04}.png"
        picture = _picture(config, scene, name, rng)
        wrong = next(int(choice) for choice in world.make_choices(scene.task, rng) if int(choice) != scene.task.answer)
        for value, answer in ((scene.task.answer, "Yes"), (wrong, "No")):
            yield {
                "question_id": name,
                "image": picture,
                "question": _statement(scene, value) + _WISH,
                "answer": answer,
                "category": category,
            }


def _hallusionbench(config: LabWorld, scenes: Sequence[Scene], rng: random.Random) -> Iterator[Row]:
    for number, (original, edited) in enumerate(zip(scenes[::2], scenes[1::2], strict=True)):
        subcategory = _SUBCATEGORY[original.family]
        values = list(dict.fromkeys((original.task.answer, _answer_on(original, edited))))
        for figure, scene in enumerate((original, edited)):
            name = f"VD/{subcategory}/{number}_{figure}.png"
            picture = _picture(config, scene, name, rng)
            truth = _answer_on(original, scene)
            for question, value in enumerate(values):
                yield {
                    "category": "VD",
                    "subcategory": subcategory,
                    "visual_input": str(figure + 1),
                    "set_id": str(number),
                    "figure_id": str(figure),
                    "sample_note": original.task.kind,
                    "question_id": str(question),
                    "question": _statement(original, value),
                    "gt_answer_details": f"{truth} is the answer to this: {original.question}",
                    "gt_answer": str(int(truth == value)),
                    "filename": f"./{name}",
                    "image": picture,
                }


def _answer_on(scene: Scene, shown: Scene) -> int:
    """The answer to a scene's question where another scene's picture is shown."""
    return Task(kind=scene.task.kind, values=shown.task.values, threshold=scene.task.threshold).answer


ROWS: dict[str, Callable[[LabWorld, Sequence[Scene], random.Random], Iterator[Row]]] = {
    "mmstar": _mmstar,
    "chartqa": _chartqa,
    "mme": _mme,
    "hallusionbench": _hallusionbench,
}

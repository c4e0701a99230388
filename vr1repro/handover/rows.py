"""data.parquet of an export: the rows of a stage in the engine's own schema, in the order in which we train on them.

LLaMA-Factory: id, instruction, output, image. verl: data_source, prompt, images, ability, reward_model, extra_info.
EasyR1: problem, answer (the gold answer, the choices and the id as JSON, for its reward gets nothing else), images.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image as PilImage
from transformers import AutoProcessor

from vr1repro.core.errors import UserError
from vr1repro.core.files import whole_file
from vr1repro.core.problem_files import HUB_FEATURES, ProblemFile
from vr1repro.core.records import Problem
from vr1repro.handover.engines import Engine
from vr1repro.handover.stage import HandedStage
from vr1repro.problems.prompt import user_turn
from vr1repro.training.data import LengthGroupedOrder, PictureLimits, prompt_lengths, rl_order, sft_rows
from vr1repro.training.grpo import prompts_used

PICTURE = "<image>"
# What the engines read as a picture, video or sound in a text.
_MARKERS = (PICTURE, "<video>", "<audio>")
_ROWS = 64  # of a row group
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_LIMITED = pa.struct([*_IMAGE, ("min_pixels", pa.int64()), ("max_pixels", pa.int64())])
_TEXT: dict[str, Any] = {"dtype": "string", "_type": "Value"}
_SFT = pa.schema(
    [("id", pa.string()), ("instruction", pa.string()), ("output", pa.string()), ("image", _IMAGE)],
    metadata={
        "huggingface": json.dumps(
            {"info": {"features": {"id": _TEXT, "instruction": _TEXT, "output": _TEXT, "image": HUB_FEATURES["image"]}}}
        )
    },
)
_TURN = pa.struct([("role", pa.string()), ("content", pa.string())])
_VERL = pa.schema(
    [
        ("data_source", pa.string()),
        ("prompt", pa.list_(_TURN)),
        ("images", pa.list_(_LIMITED)),
        ("ability", pa.string()),
        ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
        ("extra_info", pa.struct([("index", pa.int64()), ("id", pa.string()), ("choices", pa.list_(pa.string()))])),
    ]
)
_EASYR1 = pa.schema([("problem", pa.string()), ("answer", pa.string()), ("images", pa.list_(_IMAGE))])


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was written, for the manifest and the table of counterparts.

    Attributes:
        too_long: Rows over the cutoff that were left out.
        narrow: Pictures that LLaMA-Factory would widen first.
    """

    rows: int
    too_long: int = 0
    narrow: int = 0


def write_rows(stage: HandedStage, engine: Engine, out: Path) -> Written:
    """Write data.parquet.

    Raises:
        UserError: A text holds what the engine reads as a picture, a prompt is over its limit, or nothing is left.
    """
    processor = AutoProcessor.from_pretrained(stage.model)
    if stage.is_sft:
        return _write_sft(stage, processor, out)
    return _write_rl(stage, engine, processor, out)


def _write_sft(stage: HandedStage, processor: Any, out: Path) -> Written:
    settings, limits = stage.config.sft, PictureLimits.of(stage.config.sft)
    problems = ProblemFile(stage.source / "coldset.parquet")
    rows, lengths, too_long = sft_rows(problems, stage.completions, processor, settings.cutoff, limits)
    # Without its transform a data set is the places of its rows in the file.
    places = list(rows.with_format(None)["place"])
    if settings.group_by_length:
        places = [places[row] for row in LengthGroupedOrder(lengths, settings.batch, stage.seed)]
    column = {"chains": "completion", "answers": "answer_only"}[stage.completions]
    narrow = 0

    def made() -> Iterator[dict[str, Any]]:
        nonlocal narrow
        for place in places:
            problem = problems[place]
            narrow += _is_narrow(problem, limits)
            yield {
                "id": problem.id,
                "instruction": _marked(problem),
                "output": _unmarked(str(problem.metadata[column]), problem),
                "image": None if problem.image is None else {"bytes": problem.image, "path": None},
            }

    _write(out, _SFT, made())
    return Written(rows=len(places), too_long=too_long, narrow=narrow)


def _write_rl(stage: HandedStage, engine: Engine, processor: Any, out: Path) -> Written:
    settings, limits = stage.config.rl, PictureLimits.of(stage.config.rl)
    problems = ProblemFile(stage.source)
    prompts = prompts_used(settings, stage.stage.steps)
    order = rl_order(len(problems), stage.seed, prompts_used(settings, stage.first_step), prompts)
    places = sorted(set(order))
    prompt_lengths(problems, places, processor, settings.max_prompt_tokens, stage.system_prompt, limits)
    if engine.name == "easyr1":
        _write(out, _EASYR1, (_easyr1_row(problems[place]) for place in order))
    else:
        seen = _SeenPictures(processor, limits)
        rows = (_verl_row(problems[place], index, stage, seen) for index, place in enumerate(order))
        _write(out, _VERL, rows)
    return Written(rows=len(order))


def _easyr1_row(problem: Problem) -> dict[str, Any]:
    answer = {"gold": problem.answer, "choices": problem.choices, "id": problem.id}
    images = [] if problem.image is None else [{"bytes": problem.image, "path": None}]
    return {"problem": _marked(problem), "answer": json.dumps(answer, ensure_ascii=False), "images": images}


def _verl_row(problem: Problem, index: int, stage: HandedStage, seen: "_SeenPictures") -> dict[str, Any]:
    system = [{"role": "system", "content": stage.system_prompt}] if stage.system_prompt else []
    return {
        "data_source": "vr1repro",
        "prompt": [*system, {"role": "user", "content": _marked(problem)}],
        "images": [] if problem.image is None else [seen.picture(problem.image)],
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": problem.answer},
        "extra_info": {"index": index, "id": problem.id, "choices": problem.choices},
    }


class _SeenPictures:
    """Pictures as our processor sees them: within the stage's limits, and at the size that it resizes them to.

    verl resizes with another library and rounds sizes another way; a picture that already has its size it leaves alone.
    """

    def __init__(self, processor: Any, limits: PictureLimits) -> None:
        self._processor, self._limits = processor.image_processor, limits

    def picture(self, data: bytes) -> dict[str, Any]:
        """A picture with the pixel limits of the checkpoint."""
        from torchvision.transforms.v2 import functional
        from transformers.image_utils import SizeDict

        size = dict(self._processor.size)
        bounds = {"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]}
        picture = self._limits.open(data)
        # The processor's own step with its own kernels, which takes and gives eight bits a channel.
        pixels = functional.pil_to_tensor(picture.convert("RGB"))
        resized = self._processor.resize(
            pixels[None],
            size=SizeDict(shortest_edge=bounds["min_pixels"], longest_edge=bounds["max_pixels"]),
            resample=self._processor.resample,
            factor=self._processor.patch_size * self._processor.merge_size,
        )[0]
        if resized.shape[-2:] == PilImage.open(BytesIO(data)).size[::-1]:
            return {"bytes": data, "path": None, **bounds}
        stream = BytesIO()
        functional.to_pil_image(resized).save(stream, "PNG")
        return {"bytes": stream.getvalue(), "path": None, **bounds}


def _is_narrow(problem: Problem, limits: PictureLimits) -> bool:
    """Whether LLaMA-Factory widens a picture before the processor sees it (mm_plugin, Qwen2VLPlugin)."""
    if problem.image is None:
        return False
    width, height = limits.size(*PilImage.open(BytesIO(problem.image)).size)
    return min(width, height) < 28 or max(width, height) > 200 * min(width, height)


def _marked(problem: Problem) -> str:
    return ("" if problem.image is None else PICTURE) + _unmarked(user_turn(problem), problem)


def _unmarked(text: str, problem: Problem) -> str:
    if marker := next((marker for marker in _MARKERS if marker in text), None):
        raise UserError(f"problem {problem.id}: its text holds {marker}, which the engine reads as another picture")
    return text


def _write(out: Path, schema: pa.Schema, rows: Iterator[dict[str, Any]]) -> None:
    held: list[dict[str, Any]] = []
    with whole_file(out) as stream, pq.ParquetWriter(stream, schema) as writer:
        for row in rows:
            held.append(row)
            if len(held) == _ROWS:
                writer.write_table(pa.Table.from_pylist(held, schema=schema))
                held = []
        if held:
            writer.write_table(pa.Table.from_pylist(held, schema=schema))

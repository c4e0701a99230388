"""Rows that TRL trains on, in an order that the seed alone decides."""

import random
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, Features, Image, List, Value
from PIL import Image as PilImage
from torch.utils.data import Sampler
from transformers.processing_utils import ProcessorMixin
from transformers.trainer_pt_utils import get_length_grouped_indices

from vr1repro.core.errors import UserError
from vr1repro.core.problem_files import read_problems
from vr1repro.core.records import Problem
from vr1repro.problems.prompt import messages, user_turn

_TURNS = List({"role": Value("string"), "content": List({"type": Value("string"), "text": Value("string")})})


def _turns(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # Arrow wants equal keys in every part of a turn.
    return [
        {"role": turn["role"], "content": [{"type": p["type"], "text": p.get("text")} for p in turn["content"]]}
        for turn in turns
    ]


def sft_rows(coldset: Path, completions: str, processor: ProcessorMixin, cutoff: int) -> tuple[Dataset, int]:
    """Prompt-completion rows of the cold-start set; the loss is on the completion only.

    Args:
        coldset: Parquet of the cold-start set, with a column `completion` and a column `answer_only`.
        completions: `chains` or `answers`, which of the two columns is learnt.
        processor: Counts tokens.
        cutoff: Longest row in tokens.

    Returns:
        The rows, with their length in tokens, and how many were left out as too long.

    Raises:
        UserError: No row is left.
    """
    column = {"chains": "completion", "answers": "answer_only"}[completions]
    rows, too_long = [], 0
    for problem in read_problems(coldset):
        completion = problem.metadata.get(column)
        if not completion:
            raise UserError(f"{coldset}: {problem.id}: has no {column}; build the cold-start set again")
        length = _n_tokens(processor, problem, completion)
        if length > cutoff:
            too_long += 1
            continue
        answer = {"role": "assistant", "content": [{"type": "text", "text": completion}]}
        rows.append({**_prompt_row(problem, None), "completion": _turns([answer]), "length": length})
    if not rows:
        raise UserError(f"{coldset}: no row of at most sft.cutoff {cutoff} tokens; {too_long} are longer")
    features = Features(
        {"prompt": _TURNS, "completion": _TURNS, "images": List(Image()), "length": Value("int32")},
    )
    return Dataset.from_list(rows, features=features), too_long


class LengthGroupedOrder(Sampler[int]):
    """Rows of like length together, in random order, anew each epoch.

    transformers' own sampler draws from the global random state, which a resumed run has in another place.

    Args:
        lengths: Tokens of each row.
        batch: Effective batch over all processes, so that their number does not change the order.
        seed: Decides the order, with the epoch.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self._lengths, self._batch, self._seed, self._epoch = list(lengths), batch, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch, also by a resumed one."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch)
        return iter(get_length_grouped_indices(self._lengths, self._batch, generator=generator))


def rl_rows(problems: Sequence[Problem], system: str | None) -> Dataset:
    """Prompt rows with the gold answer and the choices that the reward needs."""
    rows = [
        {**_prompt_row(problem, system), "gold": problem.answer, "choices": problem.choices, "id": problem.id}
        for problem in problems
    ]
    features = Features(
        {
            "prompt": _TURNS,
            "images": List(Image()),
            "gold": Value("string"),
            "choices": List(Value("string")),
            "id": Value("string"),
        }
    )
    return Dataset.from_list(rows, features=features)


def prompt_lengths(rows: Any, processor: Any, limit: int) -> list[int]:
    """Tokens of each prompt, pictures included.

    Raises:
        UserError: A prompt is over the limit; none is ever cut.
    """
    lengths = []
    for row in rows:
        text = processor.apply_chat_template(row["prompt"], add_generation_prompt=True)
        encoded = processor(text=[text], images=row["images"] or None)
        if (length := len(encoded["input_ids"][0])) > limit:
            raise UserError(
                f"rl.max_prompt_tokens: problem {row['id']} has {length} prompt tokens, the limit is {limit}; raise it,"
                " or lower the image's pixel limit"
            )
        lengths.append(length)
    return lengths


def rl_stream(problems: Sequence[Problem], seed: int, skip: int, n: int) -> list[Problem]:
    """The `n` problems after the first `skip` of an endless stream of shuffled epochs.

    The order goes on across the stages of an arm, and arms of one seed see the same problems in the same order.
    """
    if not problems:
        raise UserError("rl.problems: the set is empty")
    stream = _epochs(problems, seed)
    for _ in range(skip):
        next(stream)
    return [next(stream) for _ in range(n)]


def _epochs(problems: Sequence[Problem], seed: int) -> Iterator[Problem]:
    order = random.Random(f"rl-order {seed}")
    while True:
        yield from order.sample(problems, len(problems))


def _prompt_row(problem: Problem, system: str | None) -> dict[str, Any]:
    images = [] if problem.image is None else [{"bytes": problem.image, "path": None}]
    return {"prompt": _turns(messages(user_turn(problem), bool(images), system)), "images": images}


def _n_tokens(processor: ProcessorMixin, problem: Problem, completion: str) -> int:
    """Tokens of a whole row: the template's text with each image placeholder widened to its grid."""
    turns: list[Any] = [
        *messages(user_turn(problem), problem.image is not None),
        {"role": "assistant", "content": [{"type": "text", "text": completion}]},
    ]
    length = len(processor.tokenizer(processor.apply_chat_template(turns), add_special_tokens=False).input_ids)
    if problem.image is not None:
        width, height = PilImage.open(BytesIO(problem.image)).size
        length += processor._get_num_multimodal_tokens(image_sizes=[[height, width]]).num_image_tokens[0] - 1
    return length

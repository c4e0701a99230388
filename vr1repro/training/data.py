"""Rows that TRL trains on, in an order that the seed alone decides.

A data set here is a list of places in a problem file. A row with its picture is made when it is asked for, so no
process holds the pictures of a training set, and an epoch is places once more.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import torch
from datasets import Dataset
from PIL import Image as PilImage
from torch.utils.data import Sampler
from transformers.processing_utils import ProcessorMixin
from transformers.trainer_pt_utils import get_length_grouped_indices

from vr1repro.config.training import RlSettings, SftSettings
from vr1repro.core.errors import UserError
from vr1repro.core.images import MAX_PIXELS, decode
from vr1repro.core.problem_files import ProblemFile
from vr1repro.core.records import Problem
from vr1repro.problems.prompt import messages, user_turn


@dataclass(frozen=True)
class PictureLimits:
    """Pixels between which pictures are scaled before any processor sees them, so that trainer and engine see alike.

    As EasyR1 (verl/utils/dataset.py@b44b311, process_image) and LLaMA-Factory (mm_plugin, image_max_pixels) do it.

    Attributes:
        least: Fewest pixels, None for no limit.
        most: Most pixels.
    """

    least: int | None = None
    most: int | None = None

    @classmethod
    def of(cls, settings: RlSettings | SftSettings) -> "PictureLimits":
        """A stage's."""
        return cls(settings.min_image_pixels, settings.max_image_pixels)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height to which a picture is scaled."""
        for limit, breaks in ((self.most, int.__gt__), (self.least, int.__lt__)):
            if limit is not None and breaks(width * height, limit):
                factor = math.sqrt(limit / (width * height))
                width, height = max(1, int(width * factor)), max(1, int(height * factor))
        return width, height

    def open(self, data: bytes) -> PilImage.Image:
        """A picture within the limits."""
        picture = decode(data, MAX_PIXELS)
        size = self.size(*picture.size)
        return picture if size == picture.size else picture.resize(size)


def sft_rows(
    problems: ProblemFile, completions: str, processor: ProcessorMixin, cutoff: int, limits: PictureLimits
) -> tuple[Dataset, list[int], int]:
    """Prompt-completion rows of the cold-start set; the loss is on the completion only.

    Args:
        problems: The cold-start set, with a column `completion` and a column `answer_only`.
        completions: `chains` or `answers`, which of the two columns is learnt.
        processor: Counts tokens.
        cutoff: Longest row in tokens.
        limits: Of pictures.

    Returns:
        The rows, each row's length in tokens, and how many were left out as too long.

    Raises:
        UserError: No row is left.
    """
    column = {"chains": "completion", "answers": "answer_only"}[completions]

    def completion_of(problem: Problem) -> str:
        if not (completion := problem.metadata.get(column)):
            raise UserError(f"{problems.path}: {problem.id}: has no {column}; build the cold-start set again")
        return str(completion)

    def length(problem: Problem) -> int:
        turns = _turns(problem, None, completion_of(problem))
        return n_tokens(processor, turns, problem.image, limits)

    def row(problem: Problem) -> dict[str, Any]:
        *prompt, answer = _turns(problem, None, completion_of(problem))
        return {"prompt": prompt, "completion": [answer], "images": _pictures(problem, limits)}

    lengths = _count(problems, range(len(problems)), length)
    kept = [place for place, tokens in enumerate(lengths) if tokens <= cutoff]
    if not kept:
        raise UserError(f"{problems.path}: no row of at most sft.cutoff {cutoff} tokens; {len(lengths)} are longer")
    return _lazily(problems, kept, row), [lengths[place] for place in kept], len(lengths) - len(kept)


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


def rl_rows(problems: ProblemFile, order: Sequence[int], system: str | None, limits: PictureLimits) -> Dataset:
    """Prompt rows with the gold answer and the choices that the reward needs, one for each place in `order`."""

    def row(problem: Problem) -> dict[str, Any]:
        return {
            "prompt": _turns(problem, system),
            "images": _pictures(problem, limits),
            "gold": problem.answer,
            "choices": problem.choices,
            "id": problem.id,
        }

    return _lazily(problems, order, row)


def prompt_lengths(
    problems: ProblemFile,
    places: Sequence[int],
    processor: Any,
    limit: int,
    system: str | None,
    limits: PictureLimits,
) -> dict[int, int]:
    """Tokens of the prompts at some places, pictures included.

    Raises:
        UserError: A prompt is over the limit; none is ever cut.
    """

    def length(problem: Problem) -> int:
        turns = _turns(problem, system)
        if (tokens := n_tokens(processor, turns, problem.image, limits, answer_follows=True)) > limit:
            raise UserError(
                f"rl.max_prompt_tokens: problem {problem.id} has {tokens} prompt tokens, the limit is {limit}; raise"
                " it, or lower rl.max_image_pixels"
            )
        return tokens

    return dict(zip(places, _count(problems, places, length), strict=True))


def rl_order(problems: int, seed: int, skip: int, n: int) -> list[int]:
    """Places of the `n` problems after the first `skip` of an endless stream of shuffled epochs.

    The order goes on across the stages of an arm, and arms of one seed see the same problems in the same order.

    Args:
        problems: Problems of the set.
        seed: Training seed.
        skip: Prompts that earlier stages used.
        n: Prompts of this stage.

    Raises:
        UserError: The set is empty.
    """
    if not problems:
        raise UserError("rl.problems: the set is empty")
    stream = _epochs(problems, seed)
    for _ in range(skip):
        next(stream)
    return [next(stream) for _ in range(n)]


def _epochs(problems: int, seed: int) -> Iterator[int]:
    order = random.Random(f"rl-order {seed}")
    while True:
        yield from order.sample(range(problems), problems)


def n_tokens(
    processor: Any,
    turns: list[dict[str, Any]],
    image: bytes | None,
    limits: PictureLimits,
    *,
    answer_follows: bool = False,
) -> int:
    """Tokens of a conversation: the template's text with its image placeholder widened to the picture's grid.

    The picture is not processed; its header says its size.
    """
    text = processor.apply_chat_template(turns, add_generation_prompt=answer_follows)
    length = len(processor.tokenizer(text, add_special_tokens=False).input_ids)
    if image is not None:
        width, height = limits.size(*PilImage.open(BytesIO(image)).size)
        if hasattr(processor, "_get_num_multimodal_tokens"):
            pictures = processor._get_num_multimodal_tokens(image_sizes=[[height, width]])
            return int(length + pictures.num_image_tokens[0] - 1)
        # Families whose processor cannot say it without the picture.
        encoded = processor(text=[text], images=[[limits.open(image)]])
        return len(encoded["input_ids"][0])
    return length


def _count(problems: ProblemFile, places: Sequence[int], length: Callable[[Problem], int]) -> list[int]:
    """Lengths at some places, counted by all processes of the job together, each a part."""
    world = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
    rank = torch.distributed.get_rank() if world > 1 else 0
    # Runs of neighbours, so that a process reads each of its row groups once.
    size = -(-len(places) // world)
    mine = [length(problems[place]) for place in places[rank * size : (rank + 1) * size]]
    if world == 1:
        return mine
    parts: list[list[int]] = [[] for _ in range(world)]
    torch.distributed.all_gather_object(parts, mine)
    return [tokens for part in parts for tokens in part]


def _lazily(problems: ProblemFile, places: Sequence[int], row: Callable[[Problem], dict[str, Any]]) -> Dataset:
    def rows(batch: dict[str, list[int]]) -> dict[str, list[Any]]:
        made = [row(problems[place]) for place in batch["place"]]
        return {name: [values[name] for values in made] for name in made[0]}

    return Dataset.from_dict({"place": list(places)}).with_transform(rows)


def _turns(problem: Problem, system: str | None, completion: str | None = None) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = messages(user_turn(problem), problem.image is not None, system)
    if completion is not None:
        turns.append({"role": "assistant", "content": [{"type": "text", "text": completion}]})
    return turns


def _pictures(problem: Problem, limits: PictureLimits) -> list[PilImage.Image]:
    return [] if problem.image is None else [limits.open(problem.image)]

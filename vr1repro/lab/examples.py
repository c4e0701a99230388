"""What the lab's model is pretrained on: reading, the two replies of Modality Bridging, and solving."""

import random
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import torch

from vr1repro.answers.completion import answer_only, completion, tags_alone
from vr1repro.config.lab import Family, Kind, Lab, LabPhase
from vr1repro.lab import drawing, questions, world
from vr1repro.lab.tokenizer import EOS, IMAGE, Prompts
from vr1repro.lab.world import Scene
from vr1repro.problems.prompt import messages, user_turn

if TYPE_CHECKING:
    from transformers import Qwen2_5_VLProcessor

TaskName = Literal["read", "bridge", "chain", "direct"]
TASKS: tuple[TaskName, ...] = ("read", "bridge", "chain", "direct")
IGNORED = -100


@dataclass(frozen=True, kw_only=True)
class Example:
    """One prompt with its reply.

    Attributes:
        scene: The picture's content.
        prompt: The user's text.
        reply: What the model should say.
        task: Names the loss in `pretrain.jsonl`: `read`, `direct`, `chain` or `bridge`.
        system: The system prompt, where there is one.
    """

    scene: Scene
    prompt: str
    reply: str
    task: TaskName
    system: str | None = None


@dataclass(frozen=True)
class Batch:
    """Model inputs and targets.

    Attributes:
        inputs: What the model's forward takes; rows are padded on the right.
        labels: Shape [rows, tokens]; `IGNORED` outside the replies.
        tasks: One for each row.
    """

    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor
    tasks: list[TaskName]


def draw_example(lab: Lab, prompts: Prompts, phase: LabPhase, rng: random.Random) -> Example:
    """Draw one example of a phase's mixture from the `pretrain` partition."""
    scene = world.draw_scene(lab.world, "pretrain", rng, longest=phase.rows)
    kind = rng.random()
    if kind >= phase.solve + phase.bridge:
        if rng.random() < 0.5:
            reading = questions.read(scene.task.values)
            return Example(scene=scene, prompt=questions.READ_PROMPT, reply=reading, task="read")
        return Example(scene=scene, prompt=questions.DESCRIBE_PROMPT, reply=scene.description, task="read")
    text = user_turn(world.make_problem(lab.world, scene, "", None, rng))
    answer = str(scene.task.answer)
    if kind < phase.solve:
        system = lab.pretrain.system_prompt if rng.random() < lab.pretrain.prompted else None
        if rng.random() < lab.pretrain.direct:
            return Example(scene=scene, prompt=text, reply=answer_only(answer), task="direct", system=system)
        reply = (tags_alone if system else completion)(scene.task.chain, answer)
        return Example(scene=scene, prompt=text, reply=reply, task="chain", system=system)
    thought = questions.pseudo_cot(scene.description, scene.task.steps)
    if rng.random() < 0.5:
        prompt = prompts.pseudo_cot.format(question=text, answer=answer)
        return Example(scene=scene, prompt=prompt, reply=thought, task="bridge")
    prompt = prompts.description.format(question=text, pseudo_cot=thought)
    return Example(scene=scene, prompt=prompt, reply=scene.description, task="bridge")


class Collator:
    """Turns examples into batches, with the pixels of every possible cell computed once by the real processor."""

    def __init__(self, processor: "Qwen2_5_VLProcessor", jitter: int) -> None:
        self._processor = processor
        self._jitter = jitter
        self.tokenizer = processor.tokenizer
        self._image = self.tokenizer.convert_tokens_to_ids(IMAGE)
        self._pixels = cache(self._pixels_of_cell)
        self._template = cache(self._render)

    def _pixels_of_cell(self, family: Family | None, value: int | Kind, dx: int, dy: int) -> torch.Tensor:
        """Shape [4, 3 * 2 * 14 * 14]. A picture's patches are those of its cells, one after another."""
        picture = drawing.cell(family, value, dx, dy).convert("RGB")
        pixels: torch.Tensor = self._processor.image_processor(images=[picture], return_tensors="pt")["pixel_values"]
        return pixels

    def pixels(self, scene: Scene, rng: random.Random) -> tuple[torch.Tensor, tuple[int, int, int]]:
        """A scene's pixels, shape [4 * cells, 1176], and its grid of patches (time, height, width)."""
        cells: list[tuple[Family | None, int | Kind]] = [(scene.family, value) for value in scene.task.values]
        if scene.sign is not None:
            cells.insert(0, (None, scene.sign))
        moves = range(-self._jitter, self._jitter + 1)
        parts = [self._pixels(family, value, rng.choice(moves), rng.choice(moves)) for family, value in cells]
        return torch.cat(parts), (1, 2, 2 * len(cells))

    def _render(self, cells: int, system: str | None) -> tuple[str, str]:
        mark = "\0"
        text = self._processor.apply_chat_template(
            messages(mark, has_image=True, system=system), add_generation_prompt=True
        )
        before, after = text.replace(IMAGE, IMAGE * cells).split(mark)
        return before, after

    def prompt(self, example: Example, cells: int) -> str:
        """The text that the model reads before its reply, one image token a cell."""
        before, after = self._template(cells, example.system)
        return before + example.prompt + after

    def __call__(self, examples: list[Example], rng: random.Random) -> Batch:
        """Collate examples; `rng` moves the glyphs."""
        pixels, grids, heads, tails = [], [], [], []
        for example in examples:
            patches, grid = self.pixels(example.scene, rng)
            pixels.append(patches)
            grids.append(grid)
            heads.append(self.prompt(example, grid[2] // 2))
            tails.append(example.reply + EOS)
        head_ids: list[list[int]] = self.tokenizer(heads)["input_ids"]
        tail_ids: list[list[int]] = self.tokenizer(tails)["input_ids"]
        longest = max(len(head) + len(tail) for head, tail in zip(head_ids, tail_ids, strict=True))
        ids = torch.full((len(examples), longest), self.tokenizer.pad_token_id)
        labels = torch.full((len(examples), longest), IGNORED)
        mask = torch.zeros((len(examples), longest), dtype=torch.long)
        for row, (head, tail) in enumerate(zip(head_ids, tail_ids, strict=True)):
            end = len(head) + len(tail)
            ids[row, :end] = torch.tensor(head + tail)
            labels[row, len(head) : end] = torch.tensor(tail)
            mask[row, :end] = 1
        inputs: dict[str, Any] = {
            "input_ids": ids,
            "attention_mask": mask,
            "mm_token_type_ids": (ids == self._image).int(),
            "pixel_values": torch.cat(pixels),
            "image_grid_thw": torch.tensor(grids),
        }
        return Batch(inputs, labels, [example.task for example in examples])

"""Pretraining of the lab's base model, from random weights until it reads the pictures.

Root causes of an earlier failure, all heeded here: CLIP's image statistics drown glyphs in white paper; an initial
standard deviation of 0.02 is too small at this width; long prompts cost most of the time.
"""

import json
import random
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import cross_entropy, pad

from vr1repro.config.lab import Lab, LabPhase
from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.core.jsonl import Appender
from vr1repro.lab import model as lab_model
from vr1repro.lab.examples import IGNORED, TASKS, Batch, Collator, TaskName, draw_example
from vr1repro.lab.reading import measure_reading
from vr1repro.lab.tokenizer import Prompts
from vr1repro.lab.unpadded import Unpadded, without_padding

if TYPE_CHECKING:
    from transformers import Qwen2_5_VLForConditionalGeneration

LOG, TIMING, READING = "pretrain.jsonl", "timing.jsonl", "reading.json"
_LOG_EVERY = 10
_LAST_LR = 0.05


def pretrain(lab: Lab, prompts: Prompts, out: Path, seed: int, threads: int, say: Callable[[str], None]) -> None:
    """Train the base model and write it as a checkpoint folder.

    Writes `pretrain.jsonl` (losses; equal for equal arguments on equal CPUs), `timing.jsonl` and `reading.json` into
    `out`, and last the checkpoint. The caller closes the folder with its manifest.

    Args:
        lab: World, model and training settings.
        prompts: The prompts of Modality Bridging.
        out: Folder to write; logs of an earlier try are replaced.
        seed: Decides weights and examples.
        threads: CPU threads; results depend on it.
        say: Takes a line of progress.

    Raises:
        UserError: The model reads fewer held-out pictures than `lab.pretrain.reading_threshold`. No weights are left.
    """
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    for name in (LOG, TIMING, READING, "model.safetensors"):
        (out / name).unlink(missing_ok=True)
    model, processor = lab_model.build(lab, prompts, seed)
    collate = Collator(processor, lab.world.jitter)
    with Appender(out / LOG) as log, Appender(out / TIMING) as timing, without_padding(model) as forward:
        _Trainer(lab, prompts, model, forward, collate, seed, log, timing, say).run()
    reading = measure_reading(model, collate, lab, seed)
    write_atomically(out / READING, json.dumps(reading, indent=2) + "\n")
    say(f"reads {reading['pictures_right']:.1%} of {reading['pictures']} held-out pictures")
    if reading["pictures_right"] < lab.pretrain.reading_threshold:
        raise UserError(
            f"lab.pretrain.reading_threshold: the model reads {reading['pictures_right']:.1%} of the held-out pictures"
            f" and {lab.pretrain.reading_threshold:.1%} are needed; raise lab.pretrain.phases.0.max_steps, or lower"
            f" the threshold ({out / READING} has the figure of each family)"
        )
    lab_model.save(model, processor, out)


class _Trainer:
    """The training loop: phases in order, then a linear decay of the learning rate on the last phase's mixture."""

    def __init__(
        self,
        lab: Lab,
        prompts: Prompts,
        model: "Qwen2_5_VLForConditionalGeneration",
        forward: Unpadded,
        collate: Collator,
        seed: int,
        log: Appender,
        timing: Appender,
        say: Callable[[str], None],
    ) -> None:
        self._lab, self._prompts, self._collate = lab, prompts, collate
        self._model, self._forward = model, forward
        self._log, self._timing, self._say = log, timing, say
        self._rng = random.Random(f"pretrain:{seed}")
        settings = lab.pretrain
        self._optimizer = torch.optim.AdamW(
            model.parameters(), lr=0.0, betas=settings.betas, weight_decay=settings.weight_decay, fused=True
        )
        self._recent: deque[float] = deque(maxlen=settings.window)
        self._sums: dict[TaskName, list[float]] = {task: [] for task in TASKS}
        self._step, self._started = 0, time.monotonic()

    def run(self) -> None:
        settings = self._lab.pretrain
        self._model.train()
        for number, phase in enumerate(settings.phases):
            self._recent.clear()
            for _ in range(phase.max_steps):
                warm = min(1.0, (self._step + 1) / max(settings.warmup, 1))
                self._take_step(number, phase, phase.lr * warm)
                if len(self._recent) == settings.window and sum(self._recent) / settings.window < phase.until_loss:
                    break
        last = settings.phases[-1]
        for step in range(settings.decay):
            share = (step + 1) / settings.decay
            self._take_step(len(settings.phases), last, last.lr * (1 - share * (1 - _LAST_LR)))
        if any(self._sums.values()):
            self._write(len(settings.phases), 0.0)
        self._model.eval()

    def _take_step(self, number: int, phase: LabPhase, lr: float) -> None:
        settings = self._lab.pretrain
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        examples = [draw_example(self._lab, self._prompts, phase, self._rng) for _ in range(settings.batch)]
        batch = self._collate(examples, self._rng)
        losses = token_losses(self._model, self._forward, batch)
        counts = (batch.labels[:, 1:] != IGNORED).sum()
        self._optimizer.zero_grad(set_to_none=True)
        (losses.sum() / counts).backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), settings.clip)
        self._optimizer.step()
        self._note(batch, losses.detach())
        self._step += 1
        if self._step % _LOG_EVERY == 0:
            self._write(number, lr)

    def _note(self, batch: Batch, losses: torch.Tensor) -> None:
        per_row = losses.sum(1) / (batch.labels[:, 1:] != IGNORED).sum(1)
        by_task: dict[TaskName, list[float]] = {task: [] for task in TASKS}
        for task, loss in zip(batch.tasks, per_row.tolist(), strict=True):
            by_task[task].append(loss)
            self._sums[task].append(loss)
        watched = by_task["chain"] or by_task["read"]
        if watched:
            self._recent.append(sum(watched) / len(watched))

    def _write(self, number: int, lr: float) -> None:
        means = {f"{task}_loss": round(sum(v) / len(v), 6) for task, v in self._sums.items() if v}
        self._log.append({"step": self._step, "phase": number, "lr": round(lr, 8), **means})
        self._timing.append({"step": self._step, "seconds": round(time.monotonic() - self._started, 2)})
        shown = " ".join(f"{name} {value:.3f}" for name, value in means.items())
        self._say(f"pretrain step {self._step} phase {number}: {shown}")
        for values in self._sums.values():
            values.clear()


def token_losses(model: "Qwen2_5_VLForConditionalGeneration", forward: Unpadded, batch: Batch) -> torch.Tensor:
    """Cross-entropy of each predicted token, shape [rows, tokens - 1]; zero outside the replies.

    The vocabulary's logits are computed at reply positions only; elsewhere they would be thrown away.
    """
    targets = batch.labels[:, 1:]
    in_reply = targets != IGNORED
    before = pad(in_reply, (0, 1))[batch.inputs["attention_mask"].bool()]  # the tokens that predict a reply's
    values = cross_entropy(model.lm_head(forward(batch.inputs)[before]), targets[in_reply], reduction="none")
    return torch.zeros(targets.shape, dtype=values.dtype).masked_scatter(in_reply, values)

"""Defects that this package had at paper scale, put back one at a time: each must turn a sharded stage red."""

from typing import Any

import torch


def head_in_chunks() -> None:
    """The head called once a chunk of tokens: under ZeRO-3 a gather each, and processes have different numbers."""
    from torch.utils.checkpoint import checkpoint

    from vr1repro.training.forward import packed

    def score(head: Any, states: torch.Tensor, targets: torch.Tensor, temperature: float) -> Any:
        def part(some: torch.Tensor, ids: torch.Tensor) -> Any:
            normalised = (head(some).float() / temperature).log_softmax(-1)
            return normalised.gather(-1, ids[:, None])[:, 0], -(normalised.exp() * normalised).sum(-1).detach()

        parts = [
            checkpoint(part, some, ids, use_reentrant=False)
            for some, ids in zip(states.split(16), targets.split(16), strict=True)
        ]
        log_probs, entropies = zip(*parts, strict=True)
        return torch.cat(log_probs), torch.cat(entropies)

    packed._score = score


def pieces_of_each_process_alone() -> None:
    """As many pieces as a process's own rows make: forwards of sharded weights are collectives."""
    from vr1repro.training.forward import pieces

    pieces.most = lambda n, accelerator: n


def text_alone() -> None:
    """Rows without a picture leave out the vision tower, whose weights another process gathers."""
    from vr1repro.training import trainer

    trainer.always_see = lambda model: None


def reference_put_in_afterwards() -> None:
    """TRL's reference is the policy's start; the named one's weights are loaded into its shards."""
    from contextlib import nullcontext
    from pathlib import Path

    from transformers import AutoModelForImageTextToText

    from vr1repro.training import reference, trainer

    check = reference.check_reference

    def load_then_check(model: Any, folder: Path) -> int:
        loaded = AutoModelForImageTextToText.from_pretrained(folder, dtype=next(model.parameters()).dtype)
        model.load_state_dict(loaded.state_dict())
        return check(model, folder)

    trainer.reference_from = lambda folder: nullcontext()
    trainer.check_reference = load_then_check


def model_before_arguments() -> None:
    """The model is loaded before transformers knows of DeepSpeed: whole in each process."""
    from vr1repro.training import checkpoints, grpo

    load, arguments = checkpoints.load, grpo.arguments
    loaded: list[Any] = []

    def arguments_after(settings: Any, job: Any, out: Any, banned: Any) -> Any:
        loaded.append(load(MODEL[0], settings.launch))
        return arguments(settings, job, out, banned)

    config_of = checkpoints.config_of
    MODEL: list[Any] = []

    def remember(folder: Any) -> Any:
        MODEL.append(folder)
        return config_of(folder)

    checkpoints.config_of = remember
    grpo.arguments = arguments_after
    checkpoints.load = lambda folder, launch: loaded[0]


def watch_positions() -> None:
    """No defect: policy and reference must have their frequencies in fp32 when an update begins."""
    from vr1repro.training.trainer import VisionGRPOTrainer

    compute_loss = VisionGRPOTrainer.compute_loss

    def watched(self: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        for part in (model, self.ref_model):
            for name, value in self.accelerator.unwrap_model(part).named_buffers():
                assert not value.is_floating_point() or value.dtype == torch.float32, name
        return compute_loss(self, model, *args, **kwargs)

    VisionGRPOTrainer.compute_loss = watched  # type: ignore[method-assign]


def positions_rounded() -> None:
    """Rotary frequencies in the weights' format, as DeepSpeed leaves them."""
    from vr1repro.training import checkpoints, reference

    checkpoints.keep_fp32_buffers = reference.keep_fp32_buffers = lambda model: model
    watch_positions()

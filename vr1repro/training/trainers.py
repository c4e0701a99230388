"""TRL's GRPO trainer with what this package adds around its algorithm, each part on its own.

`PlainTrainer` is stock TRL with checkpoints to go on from, guards, phase times, and the sequence-level loss where it
is asked for. `PackedTrainer` also forwards a batch as one packed row. Neither changes what stock TRL computes; tests
hold both to its losses and rewards.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from trl import GRPOTrainer

from vr1repro.core.errors import UserError
from vr1repro.training import guards, skipping
from vr1repro.training.grouped import GroupedRows, Ways, add_grouped_forward, distinct_prompts
from vr1repro.training.resume import Resumable
from vr1repro.training.weight_sums import sync_and_compare

_PICTURES = ("pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids")
PHASES = ("generate", "reward", "log_probs", "update")


class GroupTrainer(GRPOTrainer):
    """TRL's trainer with the packed forward.

    Attributes:
        ways: How the forward is made.
    """

    ways = Ways()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for model in (self.model, self.ref_model):
            if model is not None:
                add_grouped_forward(self.accelerator.unwrap_model(model))

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **pictures: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        # `batch_size` would split passes without gradients to save memory, and with them groups: not followed.
        if compute_aux_loss:
            raise ValueError("rl.share_prefix, rl.pack: a mixture of experts needs its auxiliary loss; set both false")
        split = input_ids.shape[1] - logits_to_keep
        prompts = {"input_ids": input_ids[:, :split], "attention_mask": attention_mask[:, :split]}
        if pictures.get("mm_token_type_ids") is not None:
            prompts["mm_token_type_ids"] = pictures["mm_token_type_ids"][:, :split]
        images = [pictures.get(key) for key in ("pixel_values", "image_grid_thw", "num_images")]
        distinct, owners = distinct_prompts(prompts, *images, share=self.ways.share_prefix)
        rows = GroupedRows(
            distinct, owners, input_ids[:, split:], attention_mask[:, split:], self.temperature, self.ways
        )
        with self.accelerator.autocast():
            log_probs, entropy = model(grouped=rows)
        return log_probs, entropy if compute_entropy else None, None


class _Additions(Resumable, GRPOTrainer):
    """What both trainers add.

    Attributes:
        sequence_loss: Use the paper's Eq. 1 as printed, with one ratio a sequence.
        sync_timeout_s: Seconds within which the sampling engine must have the new weights.
        skip_equal_groups: Leave completions of advantage 0 out of an update without a KL term.
        phases: Seconds since they were last read, by phase; `log_probs` are passes without gradients.
    """

    sequence_loss = False
    skip_equal_groups = False
    sync_timeout_s = 600.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.phases = dict.fromkeys(PHASES, 0.0)
        self._checked = False
        super().__init__(*args, **kwargs)
        if self.use_vllm:
            self._sync, self.vllm_generation.sync_weights = self.vllm_generation.sync_weights, self._sync_in_time

    def _sync_in_time(self) -> None:
        # A server's weights, and shards of them, show in the next rollout's log-probabilities alone.
        whole = self.vllm_generation.mode == "colocate" and self.args.vllm_tensor_parallel_size == 1
        with guards.deadline(self.sync_timeout_s, "the sync of new weights to vLLM"):
            if whole:
                sync_and_compare(self._sync, self.vllm_generation)
            else:
                self._sync()

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.phases[phase] += time.perf_counter() - began

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        with self._timed("generate"):
            return super()._generate(*args, **kwargs)

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> Any:
        with self._timed("reward"):
            return super()._calculate_rewards(*args, **kwargs)

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        if torch.is_grad_enabled():
            return super()._get_per_token_logps_and_entropies(*args, **kwargs)
        with self._timed("log_probs"):
            return super()._get_per_token_logps_and_entropies(*args, **kwargs)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """TRL's, and what of its time no other phase took is the update."""
        before, began = sum(self.phases.values()), time.perf_counter()
        loss = super().training_step(model, inputs, num_items_in_batch)
        others = sum(self.phases.values()) - before
        self.phases["update"] += time.perf_counter() - began - others
        return loss

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        config = self.accelerator.unwrap_model(self.model).config
        if (image_token := getattr(config, "image_token_id", None)) is not None:
            merge = getattr(config.vision_config, "spatial_merge_size", 1)
            guards.check_pictures(batch, image_token, merge)
        self._check_log_probs(batch)
        return batch

    def _check_log_probs(self, batch: dict[str, Any]) -> None:
        """A rollout's log-probabilities are the sampling engine's, and in the first one stock TRL's too.

        An engine whose weights are not the policy's, because a sync failed, shows here in the very next rollout.
        """
        mask = batch["completion_mask"]
        exact = self.model.dtype == torch.float32 and not self.args.bf16
        sampled = batch.get("sampling_per_token_logps")
        if sampled is not None and batch.get("old_per_token_logps") is not None:
            guards.check_log_probs(batch["old_per_token_logps"], sampled, mask, "the sampling engine's", exact=exact)
        if self._checked or not isinstance(self, GroupTrainer):
            return
        self._checked = True
        arguments = (
            self.model,
            torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1),
            torch.cat([batch["prompt_mask"], mask], 1),
            mask.shape[1],
        )
        pictures: dict[str, Any] = {key: batch.get(key) for key in _PICTURES}
        with torch.no_grad():
            ours, _, _ = self._get_per_token_logps_and_entropies(*arguments, **pictures)
            stock, _, _ = GRPOTrainer._get_per_token_logps_and_entropies(self, *arguments, **pictures)
        guards.check_log_probs(ours, stock, mask, "a forward of every row on its own", exact=exact)

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        loss = self._loss_of_live_rows(model, inputs) if self._skips() else self._loss(model, inputs)
        if not torch.isfinite(loss):
            path = Path(self.args.output_dir) / f"not-finite-step{self.state.global_step + 1}.pt"
            guards.save_batch(inputs, path)
            raise UserError(
                f"the loss is {loss.item()} at step {self.state.global_step + 1} of the stage; its batch is in {path};"
                " lower the learning rate, or look at the batch"
            )
        return loss

    def _skips(self) -> bool:
        return self.skip_equal_groups and self.model.training and not self.beta

    def _loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        return self._printed_loss(model, inputs) if self.sequence_loss else super()._compute_loss(model, inputs)

    def _loss_of_live_rows(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        rows = skipping.live_rows(inputs["advantages"])
        kind = "sequence" if self.sequence_loss else self.loss_type
        share = skipping.share_of_loss(kind, inputs["completion_mask"], rows)
        return self._loss(model, skipping.take_rows(inputs, rows)) * share

    def _printed_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """Eq. 1 as printed (paper v1 and v4, section 3.4): ratio, clip and KL estimator of whole sequences.

        The ratio is the product of its tokens' ratios and is not divided by length. Means are over completions.
        """
        mask = inputs["completion_mask"]
        tokens = mask.shape[1]
        log_probs, entropies, _ = self._get_per_token_logps_and_entropies(
            model,
            torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1),
            torch.cat([inputs["prompt_mask"], mask], 1),
            tokens,
            compute_entropy=True,
            **{key: inputs.get(key) for key in _PICTURES},
        )
        now = (log_probs * mask).sum(1)
        old = inputs.get("old_per_token_logps")
        before = now.detach() if old is None else (old * mask).sum(1)
        ratio = torch.exp(now - before)
        advantages = inputs["advantages"]
        clipped = ratio.clamp(1 - self.epsilon_low, 1 + self.epsilon_high)
        loss = -torch.min(ratio * advantages, clipped * advantages)
        metrics = self._metrics["train" if self.model.training else "eval"]
        if self.beta:
            behind = (inputs["ref_per_token_logps"] * mask).sum(1) - now
            divergence = torch.exp(behind) - behind - 1
            loss = loss + self.beta * divergence
            metrics["kl"].append(self.accelerator.gather(divergence.detach()).mean().item())
        entropy = (entropies * mask).sum() / mask.sum().clamp(min=1)
        metrics["entropy"].append(self.accelerator.gather(entropy).mean().item())
        return loss.mean() / self.current_gradient_accumulation_steps


class PlainTrainer(_Additions):
    """Stock TRL's forwards."""


class PackedTrainer(_Additions, GroupTrainer):
    """Distinct prompts and completions are forwarded as one row without padding."""

"""TRL's GRPO trainer with what this package adds around its algorithm.

Checkpoints to go on from, guards, phase times, the sequence-level loss, and a forward strategy. None of it changes what
stock TRL computes; tests hold losses and rewards to TRL's.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from trl import GRPOTrainer

from vr1repro.core.errors import UserError
from vr1repro.core.upstream import require
from vr1repro.training import guards
from vr1repro.training.forward import Forward, LogProbs, Rows, StockForward
from vr1repro.training.losses import sequence_loss
from vr1repro.training.phases import PhaseClock
from vr1repro.training.resume import Resumable
from vr1repro.training.weight_sums import sync_and_compare


@dataclass(frozen=True, kw_only=True)
class TrainerOptions:
    """What a trainer does beside TRL's arguments.

    Attributes:
        forward: Computes log-probabilities.
        sequence_loss: Use the paper's Eq. 1 as printed, with one ratio a sequence.
        sync_timeout_s: Seconds within which the sampling engine must have the new weights.
    """

    forward: Forward
    sequence_loss: bool = False
    sync_timeout_s: float = 600.0


class VisionGRPOTrainer(Resumable, GRPOTrainer):
    """TRL's GRPO trainer for models that see.

    Args:
        options: What it does beside TRL's arguments.
        clock: Takes the time of each phase.
        stock: TRL's own arguments: model, reward_funcs, args, train_dataset, processing_class, callbacks.
    """

    def __init__(self, *, options: TrainerOptions, clock: PhaseClock, **stock: Any) -> None:
        require("trl")
        self.options, self._clock = options, clock
        # The first rollout's log-probabilities are compared with TRL's.
        self._compares = not isinstance(options.forward, StockForward)
        super().__init__(**stock)
        for model in (self.model, self.ref_model):
            if model is not None:
                options.forward.prepare(self.accelerator.unwrap_model(model))
        if self.use_vllm:
            require("vllm")
            self._sync, self.vllm_generation.sync_weights = self.vllm_generation.sync_weights, self._sync_in_time

    def _sync_in_time(self) -> None:
        # A server's weights, and shards of them, show in the next rollout's log-probabilities alone.
        whole = self.vllm_generation.mode == "colocate" and self.args.vllm_tensor_parallel_size == 1
        with guards.deadline(self.options.sync_timeout_s, "the sync of new weights to vLLM"):
            if whole:
                sync_and_compare(self._sync, self.vllm_generation)
            else:
                self._sync()

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        with self._clock.timed("generate"):
            return super()._generate(*args, **kwargs)

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> Any:
        with self._clock.timed("reward"):
            return super()._calculate_rewards(*args, **kwargs)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """TRL's, and what of its time no other phase takes is the update."""
        with self._clock.timed("update"):
            return super().training_step(model, inputs, num_items_in_batch)

    def log_probs(
        self,
        model: Any,
        rows: Rows,
        *,
        batch_size: int | None = None,
        entropy: bool = True,
        aux_loss: bool = False,
    ) -> LogProbs:
        """Log-probabilities and entropies of completions, as the forward strategy computes them."""
        forward = self.options.forward
        if torch.is_grad_enabled():
            return forward.log_probs(self, model, rows, batch_size=batch_size, entropy=entropy, aux_loss=aux_loss)
        with self._clock.timed("log_probs"):
            return forward.log_probs(self, model, rows, batch_size=batch_size, entropy=entropy, aux_loss=aux_loss)

    def stock_log_probs(
        self,
        model: Any,
        rows: Rows,
        *,
        batch_size: int | None = None,
        entropy: bool = False,
        aux_loss: bool = False,
    ) -> LogProbs:
        """The same, as TRL computes them."""
        log_probs: LogProbs = super()._get_per_token_logps_and_entropies(
            model,
            rows.input_ids,
            rows.attention_mask,
            rows.completion_length,
            batch_size=batch_size,
            compute_entropy=entropy,
            compute_aux_loss=aux_loss,
            **rows.pictures,
        )
        return log_probs

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
    ) -> LogProbs:
        rows = Rows(
            input_ids=input_ids, attention_mask=attention_mask, completion_length=logits_to_keep, pictures=pictures
        )
        return self.log_probs(model, rows, batch_size=batch_size, entropy=compute_entropy, aux_loss=compute_aux_loss)

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
        if not self._compares:
            return
        self._compares = False
        rows = Rows.of_rollout(batch)
        with torch.no_grad():
            ours, _, _ = self.log_probs(self.model, rows)
            stock, _, _ = self.stock_log_probs(self.model, rows)
        guards.check_log_probs(ours, stock, mask, "a forward of every row on its own", exact=exact)

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        loss: torch.Tensor
        if self.options.sequence_loss:
            loss = self._sequence_loss(model, inputs)
        else:
            loss = super()._compute_loss(model, inputs)
        if not torch.isfinite(loss):
            path = Path(self.args.output_dir) / f"not-finite-step{self.state.global_step + 1}.pt"
            guards.save_batch(inputs, path)
            raise UserError(
                f"the loss is {loss.item()} at step {self.state.global_step + 1} of the stage; its batch is in {path};"
                " lower the learning rate, or look at the batch"
            )
        return loss

    def _sequence_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        mask = inputs["completion_mask"]
        log_probs, entropies, _ = self.log_probs(model, Rows.of_rollout(inputs))
        assert entropies is not None  # noqa: S101 - asked for
        losses, divergence = sequence_loss(
            log_probs,
            mask,
            inputs["advantages"],
            old=inputs.get("old_per_token_logps"),
            reference=inputs.get("ref_per_token_logps"),
            clip=(self.epsilon_low, self.epsilon_high),
            beta=self.beta,
        )
        metrics = self._metrics["train" if self.model.training else "eval"]
        if divergence is not None:
            metrics["kl"].append(self.accelerator.gather(divergence.detach()).mean().item())
        entropy = (entropies * mask).sum() / mask.sum().clamp(min=1)
        metrics["entropy"].append(self.accelerator.gather(entropy).mean().item())
        return losses.mean() / self.current_gradient_accumulation_steps

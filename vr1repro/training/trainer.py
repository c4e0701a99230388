"""TRL's GRPO trainer with what this package adds around its algorithm.

Passes in pieces within a budget of tokens, a loss over the update's global batch, checkpoints to go on from, guards,
phase times, the sequence-level loss, and a forward strategy. Tests hold losses and rewards to TRL's.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from trl import GRPOTrainer
from trl.trainer import grpo_trainer

from vr1repro.config.training import Average
from vr1repro.core.errors import UserError
from vr1repro.core.upstream import require
from vr1repro.training import engine_prompts, guards, sampler_weights
from vr1repro.training.backward import backward, held_back
from vr1repro.training.forward import Forward, LogProbs, Rows, StockForward, pieces, take
from vr1repro.training.forward.text_only import always_see
from vr1repro.training.losses import Update, piece_loss
from vr1repro.training.phases import PhaseClock
from vr1repro.training.reference import check_reference, reference_from
from vr1repro.training.resume import Resumable
from vr1repro.training.shared_pictures import SharedPictures
from vr1repro.training.weight_sums import sync_and_compare


@dataclass(frozen=True, kw_only=True)
class TrainerOptions:
    """What a trainer does beside TRL's arguments.

    Attributes:
        forward: Computes log-probabilities.
        tokens_per_forward: Budget of one piece of a pass.
        average: How losses are averaged over an update.
        reference: Folder of the KL term's reference model; None: the folder that the policy came from.
        sync_timeout_s: Seconds within which the sampling engine must have the new weights.
        pictures: The rollouts' pictures, where the processor gives places in their table.
    """

    forward: Forward
    tokens_per_forward: int
    average: Average
    reference: Path | None = None
    sync_timeout_s: float = 600.0
    pictures: SharedPictures | None = None


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
        self._earlier_losses: torch.Tensor | float = 0.0  # of an update's pieces before its last
        self.sampler_weights: list[sampler_weights.Weights] = []  # of the last rollout
        with reference_from(options.reference):
            super().__init__(**stock)
        if self.ref_model is not None and options.reference is not None:
            check_reference(self.accelerator.unwrap_model(self.ref_model), options.reference)
        sharded = self.is_fsdp_enabled or self.is_deepspeed_enabled
        for model in (self.model, self.ref_model):
            if model is not None:
                unwrapped = self.accelerator.unwrap_model(model)
                options.forward.prepare(unwrapped)
                if options.pictures is not None:
                    options.pictures.look_up(unwrapped)
                if sharded:
                    always_see(unwrapped)
        if self.use_vllm:
            require("vllm")
            vllm = self.vllm_generation
            self._sync, vllm.sync_weights = vllm.sync_weights, self._sync_in_time
            placeholder = getattr(self.accelerator.unwrap_model(self.model).config, "image_token_id", None)
            vllm.generate = engine_prompts.checked(vllm.generate, placeholder, expands=vllm.mode == "colocate")

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
        """One update's forward and backward passes; what of its time no other phase takes is the update."""
        with self._clock.timed("update"):
            last = super().training_step(model, inputs, num_items_in_batch)
            return last + self._earlier_losses

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Loss of an update's last piece; those before it have gone backward when this returns.

        The sum over pieces and the mean over processes is the loss over the update's global batch, so neither the
        budget of tokens nor the number of processes changes it.
        """
        if return_outputs:
            raise ValueError("a GRPO trainer has no outputs to return")
        parts = self._pieces_of_update(inputs)
        tokens = float(self.accelerator.reduce(inputs["completion_mask"].sum().float(), reduction="mean"))
        update = Update(rows=len(inputs["completion_ids"]), tokens=tokens, max_tokens=self.max_completion_length)
        sums = torch.zeros(4, device=self.accelerator.device)  # tokens; of KL, entropy and clipped tokens
        compared: list[torch.Tensor] = []
        self._earlier_losses = 0.0
        for part in parts[:-1]:
            with held_back(self.accelerator, model):
                loss = self._loss_of_piece(model, part, update, sums, compared)
                backward(self.accelerator, loss)
            self._earlier_losses = self._earlier_losses + loss.detach()
        loss = self._loss_of_piece(model, parts[-1], update, sums, compared)
        self._check_engine(compared)
        self._log_means(sums)
        return loss

    def _loss_of_piece(
        self, model: Any, part: dict[str, Any], update: Update, sums: torch.Tensor, compared: list[torch.Tensor]
    ) -> torch.Tensor:
        mask = part["completion_mask"]
        log_probs, entropies, aux_loss = self.log_probs(model, Rows.of_rollout(part), aux_loss=self.aux_loss_enabled)
        assert entropies is not None  # noqa: S101 - asked for
        result = piece_loss(
            log_probs,
            mask,
            part["advantages"],
            update,
            average=self.options.average,
            old=part.get("old_per_token_logps"),
            reference=part.get("ref_per_token_logps"),
            clip=(self.epsilon_low, self.epsilon_high),
            beta=self.beta,
            correction=part.get("importance_sampling_ratio"),
        )
        loss = result.loss
        if aux_loss is not None:  # of a mixture of experts
            loss = loss + self.router_aux_loss_coef * aux_loss * len(mask) / update.rows
        sums += torch.stack(
            [result.tokens.float(), result.divergence, (entropies.detach() * mask).sum(), result.clipped.float()]
        )
        self._compare_with_engine(log_probs.detach(), part, compared)
        if not torch.isfinite(loss):
            path = Path(self.args.output_dir) / f"not-finite-update{self.state.global_step + 1}.pt"
            guards.save_batch(self._with_patches(part), path)
            raise UserError(
                f"the loss is {loss.item()} at update {self.state.global_step + 1} of the stage; its batch is in"
                f" {path}; lower the learning rate, or look at the batch"
            )
        return loss

    def _with_patches(self, batch: dict[str, Any]) -> dict[str, Any]:
        if self.options.pictures is None or batch.get("pixel_values") is None:
            return batch
        return {**batch, "pixel_values": self.options.pictures.patches(batch["pixel_values"])}

    def _log_means(self, sums: torch.Tensor) -> None:
        tokens, divergence, entropy, clipped = self.accelerator.reduce(sums, reduction="sum").tolist()
        metrics = self._metrics["train" if self.model.training else "eval"]
        if self.beta:
            metrics["kl"].append(divergence / max(tokens, 1.0))
        metrics["entropy"].append(entropy / max(tokens, 1.0))
        metrics["clip_ratio/region_mean"].append(clipped / max(tokens, 1.0))

    def _pieces_of_update(self, inputs: dict[str, Any]) -> list[dict[str, Any]]:
        """An update's rows in pieces, as many on every process; the last ones may count for nothing."""
        rows = Rows.of_rollout(inputs)
        cut = pieces.cut(self.options.forward, rows, self.options.tokens_per_forward)
        parts = [inputs] if len(cut) == 1 else [take(inputs, part) for part in cut]
        for _ in range(pieces.most(len(cut), self.accelerator) - len(cut)):
            empty = take(inputs, cut[0][:1])
            parts.append({**empty, "completion_mask": torch.zeros_like(empty["completion_mask"])})
        return parts

    def log_probs(self, model: Any, rows: Rows, *, entropy: bool = True, aux_loss: bool = False) -> LogProbs:
        """Log-probabilities and entropies of completions, as the forward strategy computes them.

        Rows whose gradients are wanted are a piece already; a pass without gradients is cut here.
        """
        forward = self.options.forward
        if torch.is_grad_enabled():
            return forward.log_probs(self, model, rows, entropy=entropy, aux_loss=aux_loss)
        with self._clock.timed("log_probs"):
            cut = pieces.cut(forward, rows, self.options.tokens_per_forward)
            surplus = pieces.most(len(cut), self.accelerator) - len(cut)
            return self._in_pieces(model, rows, [*cut, *[cut[0][:1]] * surplus], entropy=entropy, aux_loss=aux_loss)

    def _in_pieces(
        self, model: Any, rows: Rows, cut: Sequence[Sequence[int]], *, entropy: bool, aux_loss: bool
    ) -> LogProbs:
        shape, device = (len(rows.input_ids), rows.completion_length), rows.input_ids.device
        log_probs, entropies = torch.zeros(shape, device=device), torch.zeros(shape, device=device)
        losses = []
        for part in cut:
            chosen = rows if len(part) == len(rows.input_ids) else rows.select(part)
            places = (torch.tensor(part, device=device)[:, None], torch.arange(chosen.completion_length, device=device))
            scored = self.options.forward.log_probs(self, model, chosen, entropy=entropy, aux_loss=aux_loss)
            log_probs[places] = scored[0].float()
            if scored[1] is not None:
                entropies[places] = scored[1].float()
            if scored[2] is not None:
                losses.append(scored[2])
        return log_probs, entropies if entropy else None, torch.stack(losses).mean() if losses else None

    def stock_log_probs(self, model: Any, rows: Rows, *, entropy: bool = False, aux_loss: bool = False) -> LogProbs:
        """The same, as TRL computes them, in one forward."""
        log_probs: LogProbs = super()._get_per_token_logps_and_entropies(
            model,
            rows.input_ids,
            rows.attention_mask,
            rows.completion_length,
            compute_entropy=entropy,
            compute_aux_loss=aux_loss,
            **rows.pictures,
        )
        return log_probs

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """TRL's, but with several updates a rollout each takes whole groups, which no number of processes changes.

        TRL shuffles a process's completions before it splits them, so that what an update holds would depend on how
        many processes there are, and a group's prompt be forwarded in each.
        """
        if self.args.steps_per_generation == 1:
            return super()._prepare_inputs(generation_batch)
        shuffle, grpo_trainer.shuffle_sequence_dict = grpo_trainer.shuffle_sequence_dict, self._by_update
        try:
            return super()._prepare_inputs(generation_batch)
        finally:
            grpo_trainer.shuffle_sequence_dict = shuffle

    def _by_update(self, batch: dict[str, Any]) -> dict[str, Any]:
        """A process's rows with those of the first update first: every n-th of its prompts, n the updates a rollout."""
        updates, group = self.args.steps_per_generation, self.num_generations
        rows = len(batch["completion_ids"])
        order = sorted(range(rows), key=lambda row: (row // group % updates, row))

        def reordered(values: Any) -> Any:
            if isinstance(values, torch.Tensor) and values.dim():
                return values[order]
            return [values[row] for row in order] if isinstance(values, list) else values

        return {name: reordered(values) for name, values in batch.items()}

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
        # `batch_size`, rows that TRL would forward at once, gives way to the budget of tokens.
        return self.log_probs(model, rows, entropy=compute_entropy, aux_loss=compute_aux_loss)

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        if self.options.pictures is not None:
            self.options.pictures.forget()
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        config = self.accelerator.unwrap_model(self.model).config
        if (image_token := getattr(config, "image_token_id", None)) is not None:
            merge = getattr(config.vision_config, "spatial_merge_size", 1)
            guards.check_pictures(batch, image_token, merge)
        self._check_log_probs(batch)
        return batch

    def rollout_facts(self) -> dict[str, Any]:
        """What a step's log keeps of its rollout beside TRL's metrics."""
        return {"sampler_weights": [asdict(weights) for weights in self.sampler_weights]} if self.use_vllm else {}

    @property
    def _exact(self) -> bool:
        return self.model.dtype == torch.float32 and not self.args.bf16

    def _check_log_probs(self, batch: dict[str, Any]) -> None:
        """The first rollout's log-probabilities are stock TRL's, of two rows: TRL pads each to the longest."""
        if not self._compares:
            return
        self._compares = False
        everything = Rows.of_rollout(batch)
        shortest = sorted(range(len(everything.input_ids)), key=everything.attention_mask.sum(1).tolist().__getitem__)
        rows = everything.select(shortest[:2])
        with torch.no_grad():
            ours, _, _ = self.options.forward.log_probs(self, self.model, rows, entropy=False, aux_loss=False)
            stock, _, _ = self.stock_log_probs(self.model, rows)
        mask = rows.attention_mask[:, rows.prompt_length :]
        guards.check_log_probs(ours, stock, mask, "a forward of every row on its own", exact=self._exact)

    def _compare_with_engine(self, log_probs: torch.Tensor, part: dict[str, Any], compared: list[torch.Tensor]) -> None:
        """Keep a piece's log-probabilities beside the sampling engine's, in a rollout's first update."""
        sampled = part.get("sampling_per_token_logps")
        if sampled is None or self.state.global_step % self.args.steps_per_generation:
            return
        mask = part["completion_mask"]
        difference = (log_probs - sampled).float().nan_to_num(0.0) * mask
        sums = [difference.sum(1), difference.abs().sum(1), difference.abs().amax(1), mask.sum(1).float()]
        compared.append(torch.stack(sums, 1))

    def _check_engine(self, compared: list[torch.Tensor]) -> None:
        """The policy's log-probabilities are the engine's, before the first update on a rollout.

        An engine whose weights are not the policy's, because a sync failed, shows here in the very next rollout.
        """
        if not compared:
            return
        rows = torch.cat(compared)
        if self.accelerator.num_processes > 1:
            rows = self.accelerator.gather(self.accelerator.pad_across_processes(rows))
        rows = rows[rows[:, 3] > 0].cpu()
        self.sampler_weights = sampler_weights.by_length(rows[:, 0], rows[:, 3])
        if not len(rows):
            return
        difference = rows[:, 2].max() if self._exact else rows[:, 1].sum() / rows[:, 3].sum()
        guards.check_difference(float(difference), "the sampling engine's", exact=self._exact)

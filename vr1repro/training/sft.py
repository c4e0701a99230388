"""Cold-start initialisation: full fine-tuning on the cold-start set (Vision-R1-CI, paper sections 3.3 and 4.1).

Deviations from the paper:

1. TRL's SFTTrainer instead of LLaMA-Factory, with the same values (repo, train/cold_start/.../train.yaml).
2. Rows over the cutoff are left out and counted; LLaMA-Factory cuts them, which ends a chain without its answer.
3. What train.yaml leaves to the framework's defaults (frozen vision tower, image size) is explicit config here.

Laptop: `vr1repro stage sft --config results/micro/config.yaml --start ci --seed 1 --out DIR`
Eight GPUs: `torchrun --nproc-per-node 8 -m -- vr1repro.cli stage sft ...`, which is what the rule runs.
"""

from pathlib import Path
from typing import Any

import torch
from trl import SFTConfig, SFTTrainer

from vr1repro.config.training import SftSettings
from vr1repro.core.problem_files import ProblemFile
from vr1repro.core.provenance import content_sha, write_manifest
from vr1repro.core.upstream import require
from vr1repro.training import checkpoints, resume
from vr1repro.training.data import LengthGroupedOrder, PictureLimits, sft_rows
from vr1repro.training.forward.text_only import always_see
from vr1repro.training.launch import check_backend, distributed_arguments
from vr1repro.training.rehearsal import Rehearsal
from vr1repro.training.resume import Resumable
from vr1repro.training.step_log import StepLog, sft_row


def train(
    settings: SftSettings, model_dir: Path, coldset: Path, completions: str, seed: int, threads: int, out: Path
) -> None:
    """Fine-tune a model on the cold-start set.

    Args:
        settings: Hyper-parameters.
        model_dir: The base model's finished folder.
        coldset: The cold-start set's finished folder.
        completions: `chains` (CI) or `answers` (Zero+SFT+PTST).
        seed: Training seed; decides the order of rows.
        threads: CPU threads.
        out: Folder for steps.jsonl, timing.jsonl and the checkpoint `final/`, closed by a manifest.
    """
    checkpoints.set_up_process(threads)
    inputs = {"model": content_sha(model_dir), "coldset": content_sha(coldset)}
    values = {**checkpoints.values_of(settings), "completions": completions, "seed": seed, "threads": threads}
    args = arguments(settings, seed, out)  # connects the processes
    begun = resume.prepare(out, __name__, values, inputs)
    model, processor = checkpoints.load(model_dir, settings.launch)
    if settings.freeze_vision:
        checkpoints.freeze_vision(model)
    if settings.launch.fsdp or settings.launch.zero_stage:
        always_see(model)
    problems = ProblemFile(coldset / "coldset.parquet")
    rows, lengths, too_long = sft_rows(problems, completions, processor, settings.cutoff, PictureLimits.of(settings))

    trainer = _Trainer(
        lengths=lengths,
        model=model,
        args=args,
        train_dataset=rows,
        processing_class=processor,
        callbacks=[StepLog(out, sft_row, {})],
    )
    if settings.launch.rehearse:
        trainer.add_callback(_rehearsal(trainer, settings))
    check_backend(trainer.accelerator, settings.launch)
    trainer.train(resume_from_checkpoint=str(begun) if begun else None)

    checkpoints.save(trainer, processor, out / "final", values, inputs)
    if trainer.is_world_process_zero():
        resume.finish(out)
        facts = {"rows": len(rows), "rows_too_long": too_long, "steps": trainer.state.global_step}
        write_manifest(out, "sft", values, inputs, facts, telemetry=["timing.jsonl"])


class _Trainer(Resumable, SFTTrainer):
    """TRL's trainer with checkpoints to go on from, and an order of rows that seed and epoch alone decide."""

    def __init__(self, *, lengths: list[int], **stock: Any) -> None:
        require("trl")
        self.lengths = lengths  # tokens of each row
        super().__init__(**stock)

    def forget_metrics(self) -> None:
        """Drop what TRL has noted for its next log; a rehearsal is no step."""
        for noted in self._metrics.values():
            noted.clear()
        self._total_train_tokens = 0

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        if self.args.train_sampling_strategy != "group_by_length":
            return super()._get_train_sampler(train_dataset)
        processes = self.args.world_size
        batch = self.args.per_device_train_batch_size * self.args.gradient_accumulation_steps * processes
        return LengthGroupedOrder(self.lengths, batch, self.args.data_seed)


def _rehearsal(trainer: _Trainer, settings: SftSettings) -> Rehearsal:
    """The longest row, as often as a forward pass has rows."""
    longest = max(range(len(trainer.lengths)), key=trainer.lengths.__getitem__)

    def loss(model: Any) -> torch.Tensor:
        # Each row is read anew: TRL's collator writes into what it is given.
        batch = trainer.data_collator([trainer.train_dataset[longest] for _ in range(settings.device_batch)])
        batch = {name: value.to(trainer.accelerator.device) for name, value in batch.items()}
        # The trainer's own forward: ZeRO-3 records which modules run, and takes others in the next one for an error.
        value: torch.Tensor = trainer.compute_loss(model, batch)
        trainer.forget_metrics()
        return value

    what = f"{settings.device_batch} rows of {trainer.lengths[longest]} tokens"
    return Rehearsal(trainer, loss, what, "lower sft.device_batch or sft.cutoff, or shard over more GPUs")


def arguments(settings: SftSettings, seed: int, out: Path) -> SFTConfig:
    """TRL's arguments for our settings."""
    processes = settings.launch.nodes * settings.launch.processes
    values: dict[str, Any] = {
        "num_train_epochs": settings.epochs,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.schedule,
        "warmup_steps": settings.warmup_ratio,
        "per_device_train_batch_size": settings.device_batch,
        "gradient_accumulation_steps": settings.batch // (processes * settings.device_batch),
        "weight_decay": settings.weight_decay,
        "adam_beta2": settings.adam_beta2,
        "max_grad_norm": settings.max_grad_norm,
        "max_length": None,  # cut rows would end without an answer; see deviation 2
        "completion_only_loss": True,
        "remove_unused_columns": False,  # rows are made when they are asked for
        "train_sampling_strategy": "group_by_length" if settings.group_by_length else "random",
    }
    return SFTConfig(**values, **distributed_arguments(settings.launch, seed, out))

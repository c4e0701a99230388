"""One stage of reinforcement learning: GRPO with a result reward, at one length limit and group size.

PTST (paper section 3.4, Eq. 2) is nothing but a sequence of such stages; each starts from the checkpoint that the one
before wrote, and the stream of problems goes on.

A step is a rollout, with `rl.updates_per_rollout` updates on it, as in EasyR1 (verl/trainer/ray_trainer.py): its
example samples 512 prompts a step and updates on 128 at a time.

Deviations from the paper, beside the values that it does not state (docs/DEVIATIONS.md):

1. TRL's GRPOTrainer instead of an early, unpublished state of EasyR1 (issue #13).
2. Eq. 1 is printed with one ratio per sequence; the loss here has one per token, as EasyR1's has. In the first update
   on a rollout both ratios are 1 and the gradients agree up to how tokens are averaged (`rl.loss`).
3. Optimizer and learning-rate schedule start afresh at a stage border; the paper does not say what happens there.

Laptop: `vr1repro stage rl --config results/micro/config.yaml --arm vision-r1 --stage 1 --seed 1 --out DIR`
Many GPUs: `torchrun ... -m -- vr1repro.cli stage rl ...`, which is what the rule runs.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import (
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl import GRPOConfig

from vr1repro.answers.reward import HardFormatReward
from vr1repro.config.arms import CANDIDATES, Stage
from vr1repro.config.reward import RewardSettings
from vr1repro.config.training import Generation, RlSettings
from vr1repro.core.jsonl import Appender
from vr1repro.core.problem_files import ProblemFile
from vr1repro.core.provenance import content_sha, file_sha, write_manifest
from vr1repro.training import checkpoints, resume
from vr1repro.training.data import PictureLimits, prompt_lengths, rl_order, rl_rows
from vr1repro.training.forward import forward_of
from vr1repro.training.guards import check_clipped
from vr1repro.training.launch import check_backend, distributed_arguments, is_first_process
from vr1repro.training.phases import PhaseClock
from vr1repro.training.rehearsal import completions_rehearsal
from vr1repro.training.rewards import GroupReward
from vr1repro.training.rollout import add_group_sampling
from vr1repro.training.shared_pictures import share_pictures
from vr1repro.training.step_log import StepLog, rl_row
from vr1repro.training.trainer import TrainerOptions, VisionGRPOTrainer

SAMPLES = "samples.jsonl"  # one completion of each rollout, to be read


@dataclass(frozen=True, kw_only=True)
class StageJob:
    """One stage of one arm.

    Attributes:
        number: From 1.
        stage: Limits.
        first_step: Steps (rollouts) of the arm before this stage.
        kept_steps: Steps, counted over the arm, whose checkpoints are kept; the last one ends the stage.
        passing_steps: Further steps whose checkpoints are saved, and go once they are graded.
        skip_prompts: Prompts of the stream that earlier stages used.
        system_prompt: System turn, or None.
    """

    arm: str
    number: int
    stage: Stage
    first_step: int
    kept_steps: list[int]
    skip_prompts: int
    system_prompt: str | None
    seed: int
    passing_steps: list[int] = field(default_factory=list)

    def folders(self, out: Path) -> dict[int, Path]:
        """Where the checkpoint of each saved step goes."""
        kept = {step: out / f"step{step}" for step in self.kept_steps}
        return kept | {step: out / CANDIDATES / f"step{step}" for step in self.passing_steps}


def prompts_used(settings: RlSettings, steps: int) -> int:
    """Prompts that a number of steps uses."""
    return steps * settings.prompts_per_step


def train(
    job: StageJob,
    settings: RlSettings,
    reward_settings: RewardSettings,
    model_dir: Path,
    reference_dir: Path,
    problems: Path,
    threads: int,
    out: Path,
) -> None:
    """Run one stage.

    Args:
        job: The stage.
        settings: GRPO's hyper-parameters.
        reward_settings: How completions are rewarded.
        model_dir: The checkpoint to start from.
        reference_dir: The reference model of the KL term.
        problems: Parquet of the RL set.
        threads: CPU threads.
        out: Folder for steps.jsonl, timing.jsonl and one `step<n>/` per kept step, closed by a manifest; passing steps
            go to `candidates/`, which that manifest does not cover.
    """
    checkpoints.set_up_process(threads)
    inputs = {
        "model": content_sha(model_dir),
        "reference": content_sha(reference_dir),
        "problems": file_sha(problems),
    }
    values = {
        "rl": checkpoints.values_of(settings),
        "reward": reward_settings.model_dump(mode="json"),
        "stage": job.stage.model_dump(mode="json"),
        "system_prompt": job.system_prompt,
        "skip_prompts": job.skip_prompts,
        "seed": job.seed,
        "threads": threads,
    }
    updates = settings.updates_per_rollout
    ends = {(step - job.first_step) * updates: folder for step, folder in job.folders(out).items()}
    # Connects the processes, and tells transformers that DeepSpeed shards: a model loaded before is whole in each.
    args = arguments(settings, job, out, placeholders(checkpoints.config_of(model_dir)))
    model, processor = checkpoints.load(model_dir, settings.launch)
    begun = resume.prepare(out, __name__, values, inputs, ends)
    if settings.generation.by_groups:
        add_group_sampling(model, settings.generation.decoding)
    pictures = share_pictures(processor) if settings.share_prefix else None
    if settings.freeze_vision:
        checkpoints.freeze_vision(model)
    prompts = prompts_used(settings, job.stage.steps)
    source, limits = ProblemFile(problems), PictureLimits.of(settings)
    order = rl_order(len(source), job.seed, job.skip_prompts, prompts)
    places = sorted(set(order))
    lengths = prompt_lengths(source, places, processor, settings.max_prompt_tokens, job.system_prompt, limits)
    rows = rl_rows(source, order, job.system_prompt, limits)
    clock = PhaseClock()
    samples_log = Appender(out / SAMPLES) if is_first_process() else nullcontext()
    with HardFormatReward(reward_settings) as reward, samples_log as samples:
        penalty = settings.truncation_penalty if settings.truncation == "penalty" else 0.0
        trainer = VisionGRPOTrainer(
            model=model,
            reward_funcs=GroupReward(reward, processor.tokenizer, penalty, samples),
            args=args,
            train_dataset=rows,
            processing_class=processor,
            options=TrainerOptions(
                forward=forward_of(settings),
                tokens_per_forward=settings.tokens_per_forward,
                reference=None if reference_dir == model_dir else reference_dir,
                average=settings.loss,
                sync_timeout_s=settings.generation.sync_timeout_s,
                pictures=pictures,
            ),
            clock=clock,
        )
        trainer.add_callback(
            StepLog(
                out,
                rl_row,
                {"arm": job.arm, "stage": job.number},
                first_step=job.first_step,
                check=lambda row: check_clipped(row, settings.max_clipped_share, job.stage.max_tokens),
                clock=clock,
                updates=updates,
                facts=trainer.rollout_facts,
            )
        )
        trainer.add_callback(_KeepSteps(trainer, processor, out, job, values, inputs))
        if settings.launch.rehearse:
            longest = max(range(len(order)), key=lambda row: lengths[order[row]])
            trainer.add_callback(
                completions_rehearsal(trainer, job.stage, longest, lengths[order[longest]], settings.tokens_per_forward)
            )
        check_backend(trainer.accelerator, settings.launch)
        trainer.train(resume_from_checkpoint=str(begun) if begun else None)
    if trainer.is_world_process_zero():
        resume.finish(out)
        tokens = job.stage.max_tokens * job.stage.group
        facts = {"length_x_group": tokens, "completions": prompts * job.stage.group, "steps": job.stage.steps}
        write_manifest(out, "rl-stage", values, inputs, facts, telemetry=["timing.jsonl"], apart=[CANDIDATES])


def placeholders(config: Any) -> list[int]:
    """Ids of the tokens that stand for pictures and videos in a model's prompts."""
    names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id", "image_token_index")
    return sorted({getattr(config, name) for name in names if getattr(config, name, None) is not None})


def arguments(settings: RlSettings, job: StageJob, out: Path, banned: Sequence[int]) -> GRPOConfig:
    """TRL's arguments for our settings; the `banned` tokens are never sampled."""
    launch, generation, stage = settings.launch, settings.generation, job.stage
    completions = settings.prompts_per_step * stage.group
    processes, updates = launch.nodes * launch.processes, settings.updates_per_rollout
    values: dict[str, Any] = {
        "max_steps": stage.steps * updates,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.schedule,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        # An update is one batch to TRL; the trainer cuts it into pieces of at most `tokens_per_forward`.
        "per_device_train_batch_size": completions // (processes * updates),
        "gradient_accumulation_steps": 1,
        "generation_batch_size": completions,
        "num_generations": stage.group,
        "max_completion_length": stage.max_tokens,
        "temperature": generation.temperature,
        "top_p": generation.top_p,
        "beta": settings.beta,
        "epsilon": settings.epsilon,
        # Of TRL's own loss, which the trainer replaces (`losses`): the same formula, so that tests can compare.
        # TRL 1.16 would weigh the KL term by the ratio, which neither Eq. 1 nor EasyR1 does.
        "loss_type": "dapo",
        "use_bias_correction_kl": False,
        "scale_rewards": settings.scale_rewards,
        "mask_truncated_completions": settings.truncation == "mask",
        # TRL would gather all pictures of a rollout in every process, and wait for ever where one has text alone.
        "log_multimodal": False,
        "shuffle_dataset": False,  # rl_order has it, so that it goes on across stages
        "use_vllm": generation.engine != "transformers",
    }
    if generation.ban_placeholders and banned:
        by_vllm = {"logit_bias": dict.fromkeys(banned, -100.0)}
        values["generation_kwargs"] = by_vllm if values["use_vllm"] else {"suppress_tokens": list(banned)}
    if generation.engine == "vllm-colocate":
        values |= {
            "vllm_mode": "colocate",
            "vllm_gpu_memory_utilization": generation.gpu_memory_utilization,
            "vllm_tensor_parallel_size": generation.tensor_parallel,
            "vllm_enable_sleep_mode": True,
            "vllm_max_model_length": settings.max_prompt_tokens + stage.max_tokens,
            **_correction(generation),
        }
    elif generation.engine == "vllm-server":
        values |= {"vllm_mode": "server", "vllm_server_base_url": generation.server_url, **_correction(generation)}
    return GRPOConfig(**values, **distributed_arguments(launch, job.seed, out, every=updates))


def _correction(generation: Generation) -> dict[str, Any]:
    """TRL's importance correction for what vLLM samples; its default would mask whole completions."""
    if generation.correction == "none":
        return {"vllm_importance_sampling_correction": False}
    return {
        "vllm_importance_sampling_correction": True,
        "vllm_importance_sampling_mode": generation.correction,
        "vllm_importance_sampling_clip_max": generation.correction_limit,
    }


class _KeepSteps(TrainerCallback):
    """Keeps the checkpoints that evaluation and the next stage need; TRL's step is an update, ours a rollout."""

    def __init__(
        self,
        trainer: VisionGRPOTrainer,
        processor: Any,
        out: Path,
        job: StageJob,
        settings: dict[str, Any],
        inputs: dict[str, str],
    ) -> None:
        self._trainer, self._processor, self._folders = trainer, processor, job.folders(out)
        self._first_step = job.first_step
        self._settings, self._inputs = settings, inputs
        self._updates: int = trainer.args.steps_per_generation

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Save where the step is one to keep."""
        steps, surplus = divmod(state.global_step, self._updates)
        step = self._first_step + steps
        if not surplus and (folder := self._folders.get(step)):
            settings = {**self._settings, "step": step}
            checkpoints.save(self._trainer, self._processor, folder, settings, self._inputs)

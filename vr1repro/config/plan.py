"""Which artefacts a config asks for and where they lie: the only place that composes result paths.

    results/<run>/models/<model>/                          base and released models
    results/<run>/problems/<set>/                          problem sets and benchmarks
    results/<run>/coldset/                                 Modality Bridging
    results/<run>/train/<start>/s<seed>/sft/final/         cold-start initialisation
    results/<run>/train/<arm>/s<seed>/stage<k>/step<n>/    GRPO; n counts over all stages of the arm
    results/<run>/eval/<slug>/<benchmark>/<protocol>/e<seed>/responses.jsonl, verdicts/<profile>.jsonl

An evaluated model's slug is `<arm>_s<seed>` for an arm's end, `<arm>_s<seed>_stage<k>_step<n>` on the way. Seed 0 means
that nothing was trained here: a base model, or weights taken as released.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from vr1repro.config.base import NAME
from vr1repro.config.coldset import ModelEngine
from vr1repro.config.models import ModelSource
from vr1repro.config.run import Config
from vr1repro.config.training import Arm, Stage
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import CONTENT

SLUG = rf"(?P<arm>{NAME})_s(?P<seed>\d+)(?:_stage(?P<stage>\d+)_step(?P<step>\d+))?"
RELEASED = "released."  # prefix of a released checkpoint's folder under models/; a config name may not hold it


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model to evaluate: an arm's end (`stage` None where the arm has no stages) or a step on the way."""

    arm: str
    seed: int
    stage: int | None
    step: int
    final: bool

    @property
    def slug(self) -> str:
        """Its folder under eval/."""
        end = "" if self.final else f"_stage{self.stage}_step{self.step}"
        return f"{self.arm}_s{self.seed}{end}"


class Plan:
    """The artefacts of one config."""

    def __init__(self, config: Config, results: str = "results") -> None:
        self.config = config
        self.root = PurePosixPath(results) / config.run

    # Models ------------------------------------------------------------------------------------------------------

    def model_sources(self) -> dict[str, ModelSource]:
        """Every model folder that is fetched or pretrained, by its name under models/."""
        config = self.config
        released = {
            f"{RELEASED}{name}": owner.released
            for name in config.take_released
            for owner in (config.starts.get(name), config.arms.get(name))
            if owner is not None and owner.released is not None
        }
        return {**config.models, **released}

    def model(self, name: str) -> PurePosixPath:
        """Folder of a fetched or pretrained model."""
        return self.root / "models" / name

    def start_model(self, start: str, seed: int) -> PurePosixPath:
        """Folder of the checkpoint that an arm's first stage starts from."""
        if start in self.config.take_released:
            return self.model(f"{RELEASED}{start}")
        if self.config.starts[start].sft is None:
            return self.model(self.config.starts[start].model)
        return self.sft_dir(start, seed) / "final"

    def start_closed(self, start: str, seed: int) -> PurePosixPath:
        """The file that says the start's checkpoint is complete."""
        if start in self.config.take_released or self.config.starts[start].sft is None:
            return self.start_model(start, seed) / CONTENT
        return self.sft_dir(start, seed) / CONTENT

    def sft_dir(self, start: str, seed: int) -> PurePosixPath:
        """Folder of a start's fine-tuning."""
        return self.root / "train" / start / f"s{seed}" / "sft"

    def coldset(self) -> PurePosixPath:
        """Folder of the cold-start set, built or released."""
        return self.root / ("released/coldset" if "coldset" in self.config.take_released else "coldset")

    def coldset_models(self) -> list[str]:
        """Keys of `models` that Modality Bridging runs itself."""
        engines = (self.config.coldset.mllm, self.config.coldset.reasoner)
        names = {engine.model for engine in engines if isinstance(engine, ModelEngine)}
        return sorted(names & set(self.config.models))

    def training_problems(self) -> list[str]:
        """Keys of `problems` that the cold-start set or any arm that is run draws on."""
        config = self.config
        stages = (stage for name in config.run_arms for stage in config.arms[name].stages)
        return list(
            dict.fromkeys([*config.coldset.sources, *(stage.problems or config.rl.problems for stage in stages)])
        )

    def overlap(self) -> PurePosixPath:
        """Folder of the overlap report."""
        return self.root / "overlap"

    def problems(self, name: str) -> PurePosixPath:
        """Folder of a problem set or benchmark."""
        return self.root / "problems" / name

    def stage_dir(self, arm: str, stage: int, seed: int) -> PurePosixPath:
        """Folder of an arm's stage (from 1), which lies with the first arm that has the same stages so far."""
        return self.root / "train" / self.stage_owner(arm, stage) / f"s{seed}" / f"stage{stage}"

    def stage_owner(self, arm: str, stage: int) -> str:
        """The first arm in the config whose start, reward, prompt and stages up to this one are the same."""
        key = _stage_key(self.config.arms[arm], stage)
        return next(name for name, other in self.config.arms.items() if _stage_key(other, stage) == key)

    def last_step(self, arm: str, stage: int) -> int:
        """The step, counted over the arm, at which a stage (from 1) ends; stage 0 ends at step 0."""
        return sum(part.steps for part in self.config.arms[arm].stages[:stage])

    def stage_model(self, arm: str, stage: int, seed: int) -> PurePosixPath:
        """Folder of the checkpoint at a stage's end; for stage 0 the arm's start."""
        if stage == 0:
            return self.start_model(self.config.arms[arm].start, seed)
        return self.stage_dir(arm, stage, seed) / f"step{self.last_step(arm, stage)}"

    def kept_steps(self, arm: str, stage: int) -> list[int]:
        """Steps of a stage whose checkpoints are kept: every `rl.evaluate_every`, and the last."""
        first, last = self.last_step(arm, stage - 1), self.last_step(arm, stage)
        every = self.config.rl.evaluate_every
        return [*range((first // every + 1) * every, last, every), last]

    # Evaluation --------------------------------------------------------------------------------------------------

    def training_seeds(self, arm: str) -> list[int]:
        """The config's training seeds, or [0] where nothing of the arm is trained here."""
        start = self.config.starts[self.config.arms[arm].start]
        start_is_given = start.sft is None or self.config.arms[arm].start in self.config.take_released
        if arm in self.config.take_released or (start_is_given and not self.config.arms[arm].stages):
            return [0]
        return list(self.config.seeds.training)

    def final_checkpoints(self, arm: str) -> list[Checkpoint]:
        """An arm's ends, one a training seed."""
        stages = len(self.config.arms[arm].stages)
        return [
            Checkpoint(arm=arm, seed=seed, stage=stages or None, step=self.last_step(arm, stages), final=True)
            for seed in self.training_seeds(arm)
        ]

    def progress_checkpoints(self, arm: str) -> Iterator[Checkpoint]:
        """The checkpoints on the way (Figure 1 E), each under the arm that owns its stage, whose end it may be."""
        if arm in self.config.take_released:
            return
        end = self.last_step(arm, len(self.config.arms[arm].stages))
        for seed in self.training_seeds(arm):
            for stage in range(1, len(self.config.arms[arm].stages) + 1):
                owner = self.stage_owner(arm, stage)
                for step in self.kept_steps(arm, stage):
                    if step != end:
                        last = self.last_step(owner, len(self.config.arms[owner].stages))
                        yield Checkpoint(arm=owner, seed=seed, stage=stage, step=step, final=step == last)

    def checkpoint_model(self, checkpoint: Checkpoint) -> PurePosixPath:
        """The folder that holds the weights: a released model, a start, or a step of an RL stage."""
        if checkpoint.arm in self.config.take_released:
            return self.model(f"{RELEASED}{checkpoint.arm}")
        if checkpoint.stage is None:
            return self.stage_model(checkpoint.arm, 0, checkpoint.seed)
        return self.stage_dir(checkpoint.arm, checkpoint.stage, checkpoint.seed) / f"step{checkpoint.step}"

    def checkpoint_closed(self, checkpoint: Checkpoint) -> PurePosixPath:
        """The file that says the checkpoint is complete: its stage's, or its own folder's."""
        if checkpoint.arm in self.config.take_released:
            return self.checkpoint_model(checkpoint) / CONTENT
        if checkpoint.stage is None:
            return self.start_closed(self.config.arms[checkpoint.arm].start, checkpoint.seed)
        return self.stage_dir(checkpoint.arm, checkpoint.stage, checkpoint.seed) / CONTENT

    def benchmarks(self, arm: str) -> list[str]:
        """Benchmarks that an arm is evaluated on."""
        return list(self.config.arms[arm].evaluate_on or self.config.evaluation.benchmarks)

    def checkpoint(self, slug: str) -> Checkpoint:
        """The checkpoint that a slug in a path names.

        Raises:
            UserError: No such checkpoint is kept.
        """
        for arm in self.config.arms:
            for checkpoint in (*self.final_checkpoints(arm), *self.progress_checkpoints(arm)):
                if checkpoint.slug == slug:
                    return checkpoint
        raise UserError(f"{slug}: the config keeps no such checkpoint; see arms and rl.evaluate_every")

    def evaluation_seeds(self, checkpoint: Checkpoint) -> list[int]:
        """All of the config's for an arm's end, which gets a judgement; the first for a checkpoint on the way."""
        seeds = self.config.seeds.evaluation
        return list(seeds if checkpoint.final else seeds[:1])

    def eval_dir(self, slug: str, benchmark: str, protocol: str, seed: int) -> PurePosixPath:
        """Folder of one model's answers to one benchmark."""
        return self.root / "eval" / slug / benchmark / protocol / f"e{seed}"


def _stage_key(arm: Arm, stage: int) -> tuple[str, str | None, str | None, tuple[Stage, ...]] | None:
    if stage > len(arm.stages):
        return None
    return arm.start, arm.reward, arm.system_prompt, tuple(arm.stages[:stage])

"""Which artefacts a config asks for and where they lie: the only place that composes result paths.

    results/<run>/models/<model>/                          base and released models
    results/<run>/problems/<set>/                          problem sets and benchmarks
    results/<run>/coldset/                                 Modality Bridging
    results/<run>/train/<start>/s<seed>/sft/final/         cold-start initialisation
    results/<run>/train/<arm>/s<seed>/stage<k>/step<n>/    GRPO; n counts over all stages of the arm
    results/<run>/train/<arm>/s<seed>/stage<k>/candidates/step<n>/    checkpoints that go once they are graded
    results/<run>/eval/<slug>/<benchmark>/<protocol>/e<seed>/responses.jsonl, verdicts/<profile>.jsonl,
        extractions.jsonl and judgements/<profile>.jsonl where an LLM is asked
    results/<run>/eval/<slug>/<benchmark>/llm/             its replies, by request
    results/<run>/lengths/<slug>/e<seed>/responses.jsonl   completions on the RL set
    results/<run>/eval/<arm>_s<seed>/selected.json         which candidate is the best, where the arm chooses one

An evaluated model's slug is `<arm>_s<seed>` for an arm's end, `<arm>_s<seed>_stage<k>_step<n>` on the way. Seed 0 means
that nothing was trained here: a base model, or weights taken as released.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from vr1repro.config.arms import CANDIDATES, Arm, Stage
from vr1repro.config.base import NAME
from vr1repro.config.coldset import ModelEngine
from vr1repro.config.evaluation import EvaluationSettings, Protocol
from vr1repro.config.graders import GradingLlm
from vr1repro.config.models import ModelSource
from vr1repro.config.run import Config
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import CONTENT

SLUG = rf"(?P<arm>{NAME})_s(?P<seed>\d+)(?:_stage(?P<stage>\d+)_step(?P<step>\d+))?"
SELECTED = "selected.json"
PROBLEMS = "problems.parquet"  # in the folder of a set of problems
RELEASED = "released."  # prefix of a released checkpoint's folder under models/; a config name may not hold it


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model to evaluate: an arm's end (`stage` None where the arm has no stages) or a step on the way.

    Attributes:
        passing: It is there to be chosen among others alone, and its weights go once it is graded.
    """

    arm: str
    seed: int
    stage: int | None
    step: int
    final: bool
    passing: bool = False

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

    def grader_model(self) -> str | None:
        """Key of `models` that is served to extract and judge answers; None where there is none of our serving."""
        graders = self.config.graders
        llm = graders.llm if graders else None
        return llm.model if isinstance(llm, GradingLlm) and not llm.is_endpoint else None

    def grader_weights(self) -> Path | None:
        """Folder of that model."""
        name = self.grader_model()
        return None if name is None else Path(self.model(name))

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

    def starts_elsewhere(self, key: str) -> list[str]:
        """Starts that say a key: `engine` that fine-tunes them, or `adopted` weights."""
        return [name for name, start in self.config.starts.items() if getattr(start, key) is not None]

    def stages_elsewhere(self, key: str) -> list[tuple[str, int]]:
        """Arms and stages that say a key: `engine` that trains them, or `adopted` weights."""
        return [
            (arm, number)
            for arm, values in self.config.arms.items()
            for number, stage in enumerate(values.stages, 1)
            if getattr(stage, key) is not None
        ]

    def kept_steps(self, arm: str, stage: int) -> list[int]:
        """Steps of a stage whose checkpoints are kept: every `rl.evaluate_every`, and the last.

        Of a stage that another engine trains, the last alone comes back.
        """
        first, last = self.last_step(arm, stage - 1), self.last_step(arm, stage)
        if self.config.arms[arm].stages[stage - 1].elsewhere:
            return [last]
        every = self.config.rl.evaluate_every
        return [*range((first // every + 1) * every, last, every), last]

    def candidate_steps(self, arm: str) -> list[int]:
        """Steps that an arm's best checkpoint is chosen among, its last included; none where it does not choose."""
        selection = self.config.selection
        if self.config.arms[arm].select == "last" or selection is None:
            return []
        last = self.last_step(arm, len(self.config.arms[arm].stages))
        return sorted(range(last, last - selection.steps, -selection.every))

    def passing_steps(self, arm: str, stage: int) -> list[int]:
        """Steps of a stage whose checkpoints are candidates of an arm that ends with it, and are not kept otherwise."""
        key = _stage_key(self.config.arms[arm], stage)
        ending = (
            name
            for name, other in self.config.arms.items()
            if len(other.stages) == stage and _stage_key(other, stage) == key
        )
        return sorted({step for name in ending for step in self.candidate_steps(name)} - {*self.kept_steps(arm, stage)})

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
                        yield self._at(owner, seed, stage, step)

    def candidate_checkpoints(self, arm: str, seed: int) -> list[Checkpoint]:
        """What an arm's best checkpoint is chosen among, each under the arm that owns its stage; its last is the last.

        None where the arm does not choose, or is taken as released.
        """
        if arm in self.config.take_released:
            return []
        stage = len(self.config.arms[arm].stages)
        return [self._at(self.stage_owner(arm, stage), seed, stage, step) for step in self.candidate_steps(arm)]

    def _at(self, owner: str, seed: int, stage: int, step: int) -> Checkpoint:
        last = self.last_step(owner, len(self.config.arms[owner].stages))
        passing = step in self.passing_steps(owner, stage)
        return Checkpoint(arm=owner, seed=seed, stage=stage, step=step, final=step == last, passing=passing)

    def checkpoints(self, arm: str) -> Iterator[Checkpoint]:
        """All that an arm asks to be evaluated."""
        yield from self.final_checkpoints(arm)
        yield from self.progress_checkpoints(arm)
        for seed in self.training_seeds(arm):
            yield from self.candidate_checkpoints(arm, seed)

    def checkpoint_model(self, checkpoint: Checkpoint) -> PurePosixPath:
        """The folder that holds the weights: a released model, a start, or a step of an RL stage."""
        if checkpoint.arm in self.config.take_released:
            return self.model(f"{RELEASED}{checkpoint.arm}")
        if checkpoint.stage is None:
            return self.stage_model(checkpoint.arm, 0, checkpoint.seed)
        folder = self.stage_dir(checkpoint.arm, checkpoint.stage, checkpoint.seed)
        return (folder / CANDIDATES if checkpoint.passing else folder) / f"step{checkpoint.step}"

    def checkpoint_closed(self, checkpoint: Checkpoint) -> PurePosixPath:
        """The file that says the checkpoint is complete: its stage's, or its own folder's."""
        if checkpoint.arm in self.config.take_released:
            return self.checkpoint_model(checkpoint) / CONTENT
        if checkpoint.stage is None:
            return self.start_closed(self.config.arms[checkpoint.arm].start, checkpoint.seed)
        return self.stage_dir(checkpoint.arm, checkpoint.stage, checkpoint.seed) / CONTENT

    def benchmarks(self, checkpoint: Checkpoint) -> list[str]:
        """Benchmarks that a checkpoint is evaluated on: its arm's, or those that candidates are compared on."""
        if checkpoint.passing and self.config.selection is not None:
            return list(self.config.selection.benchmarks)
        return list(self.config.arms[checkpoint.arm].evaluate_on or self.config.evaluation.benchmarks)

    def evaluation(self, checkpoint: Checkpoint) -> EvaluationSettings:
        """How a checkpoint is asked, where its arm's model runs; a passing one under protocol single alone."""
        settings = self.config.of_arm(checkpoint.arm).evaluation
        protocols = [*settings.protocols, *self.config.arms[checkpoint.arm].further_protocols]
        asked_under = ["single"] if checkpoint.passing else list(dict.fromkeys(protocols))
        return settings.model_copy(update={"protocols": asked_under})

    def checkpoint(self, slug: str) -> Checkpoint:
        """The checkpoint that a slug in a path names.

        Raises:
            UserError: No such checkpoint is kept.
        """
        if (checkpoint := self._by_slug.get(slug)) is None:
            raise UserError(f"{slug}: the config keeps no such checkpoint; see arms, rl.evaluate_every and selection")
        return checkpoint

    @cached_property
    def _by_slug(self) -> dict[str, Checkpoint]:
        return {checkpoint.slug: checkpoint for arm in self.config.arms for checkpoint in self.checkpoints(arm)}

    def evaluation_seeds(self, checkpoint: Checkpoint) -> list[int]:
        """All of the config's for an arm's end, which gets a judgement; the first for a checkpoint on the way."""
        seeds = self.config.seeds.evaluation
        return list(seeds if checkpoint.final else seeds[:1])

    def selected(self, arm: str, seed: int) -> PurePosixPath:
        """The file that says which of an arm's candidates is the best."""
        return self.root / "eval" / f"{arm}_s{seed}" / SELECTED

    def lengths_dir(self, checkpoint: Checkpoint) -> PurePosixPath:
        """Folder of a checkpoint's completions on the RL set."""
        seed, *_ = self.evaluation_seeds(checkpoint)
        return self.root / "lengths" / checkpoint.slug / f"e{seed}"

    def eval_dir(self, slug: str, benchmark: str, protocol: str, seed: int) -> PurePosixPath:
        """Folder of one model's answers to one benchmark."""
        return self.root / "eval" / slug / benchmark / protocol / f"e{seed}"

    def eval_folders(self, checkpoint: Checkpoint, benchmark: str) -> list[tuple[Protocol, Path]]:
        """Folders of one checkpoint's answers to one benchmark, each with its protocol."""
        return [
            (protocol, Path(self.eval_dir(checkpoint.slug, benchmark, protocol, seed)))
            for protocol in self.evaluation(checkpoint).protocols
            for seed in self.evaluation_seeds(checkpoint)
        ]

    def llm_profiles(self, checkpoint: Checkpoint) -> list[str]:
        """Scoring profiles with an LLM's part that a checkpoint is graded under, where a benchmark has them."""
        profiles = self.config.graders.profiles if self.config.graders else []
        headline = self.config.reporting.profile
        return [profile for profile in profiles if checkpoint.final or profile == headline]


def _stage_key(arm: Arm, stage: int) -> tuple[str, str | None, str | None, tuple[Stage, ...]] | None:
    if stage > len(arm.stages):
        return None
    return arm.start, arm.reward, arm.system_prompt, tuple(arm.stages[:stage])

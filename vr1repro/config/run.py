"""The whole config: one run of the experiment, at whatever scale its values say."""

from collections.abc import Collection
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from vr1repro.config.arms import Arm, Seeds, SelectionSettings, Start
from vr1repro.config.base import Name, Section
from vr1repro.config.coldset import ColdsetSettings, ModelEngine
from vr1repro.config.evaluation import EvaluationSettings, LengthSettings
from vr1repro.config.graders import GraderSettings, GradingLlm
from vr1repro.config.lab import Lab
from vr1repro.config.limits import InputLimits
from vr1repro.config.models import ModelSource
from vr1repro.config.placement import Placement
from vr1repro.config.problems import ProblemSource
from vr1repro.config.reporting import ReportSettings
from vr1repro.config.reward import RewardSettings
from vr1repro.config.training import Launch, RlSettings, SftSettings
from vr1repro.core import benchmark_folders
from vr1repro.core.errors import UserError

_Section = TypeVar("_Section", bound=Section)


class LabProblems(Section):
    """Problems that the lab generates; the partitions share no problem."""

    kind: Literal["lab"]
    partition: Literal["cold", "rl"] = Field(description="Which of the disjoint partitions to draw from.")
    n: int = Field(gt=0, description="How many.")


class LabBenchmark(Section):
    """A benchmark that the lab generates in the real one's schema, from a partition of its own."""

    kind: Literal["lab"]
    n: int = Field(gt=0, description="Questions; MathVerse: problems, each in five versions.")


Problems = Annotated[LabProblems | ProblemSource, Field(discriminator="kind")]
Benchmark = Annotated[LabBenchmark | ProblemSource, Field(discriminator="kind")]


class Resources(Section):
    """What one job of a kind needs. Cluster facts (partition, cores a GPU) stand in the profile."""

    threads: int = Field(
        gt=0, description="CPU threads. Results on a CPU depend on it, so it never follows the machine."
    )
    gpu: int = Field(ge=0, description="GPUs of the job; of a training over several nodes, on each.")
    mem_mb: int = Field(gt=0, description="Main memory on a node; jobs without a GPU get more at each attempt.")
    runtime: int = Field(gt=0, description="Minutes, for the first attempt.")


class JobResources(Section):
    """Resources by kind of job."""

    prepare: Resources = Field(description="Problem sets, downloads, lab pretraining.")
    bridge: Resources = Field(description="One shard of Modality Bridging.")
    sft: Resources = Field(description="Cold-start initialisation.")
    rl: Resources = Field(description="One GRPO stage.")
    evaluate: Resources = Field(description="All benchmarks and seeds of one model.")
    graders: Resources = Field(
        default=Resources(threads=1, gpu=0, mem_mb=4000, runtime=240),
        description="An LLM's extraction, or judgement, of one checkpoint's responses to one benchmark.",
    )
    report: Resources = Field(description="Grading, tables, figures, report.")


class Config(Section):
    """One run: what is built, what is taken as released, which arms, on which benchmarks.

    Cross-checks are made here, before any job starts; each message names the key.
    """

    run: Name = Field(description="Name of the run and of its folder, results/<run>.")
    comparable: bool = Field(
        description="Whether its scores may be compared with the paper's. true: results/<run>/revisions.json must name"
        " the commit of all that was fetched. false: tables and figures say so, and no published number gets a verdict."
    )
    guard_finished: bool = Field(
        default=True,
        description="Whether a finished training is kept from being made again, though its code or settings changed:"
        " true: the run stops and says so, and `--config remake=FOLDER` makes it again. Ours.",
    )
    seeds: Seeds = Field(description="Seeds.")
    take_released: list[Name] = Field(
        description="Artefacts taken as released instead of built: `coldset`, or keys of `starts` or `arms`. The"
        " workflow then has only the rest to do."
    )
    lab: Lab | None = Field(description="The lab world, its model and its teacher; null where nothing is generated.")
    models: dict[Name, ModelSource] = Field(description="Base models by name.")
    benchmark_folders: list[str] = Field(
        default_factory=list,
        description="Folders of further benchmarks, each laid out like one of `vr1repro/benchmarks`; the folder's name"
        " is the slug. Their Python code is run.",
    )
    problems: dict[Name, Problems] = Field(description="Problem sets that training draws on, by name.")
    benchmarks: dict[Name, Benchmark] = Field(
        description="Benchmarks by slug, which is a folder of `vr1repro/benchmarks` or of `benchmark_folders`."
    )
    coldset: ColdsetSettings = Field(description="Modality Bridging.")
    starts: dict[Name, Start] = Field(description="What arms start from, by name.")
    sft: SftSettings = Field(description="Cold-start initialisation.")
    rewards: dict[Name, RewardSettings] = Field(description="Rewards by name.")
    rl: RlSettings = Field(description="GRPO.")
    arms: dict[Name, Arm] = Field(description="Every arm that has a name; each is a target of the workflow.")
    run_arms: list[Name] = Field(min_length=1, description="The arms that `rule all` trains, evaluates and reports.")
    selection: SelectionSettings | None = Field(
        default=None, description="For arms of `select: best_on_benchmarks`: what they choose among, and by what."
    )
    evaluation: EvaluationSettings = Field(description="Sampling and scoring of answers.")
    graders: GraderSettings | None = Field(
        default=None,
        description="The LLM that extracts and judges answers; null: profiles that need one are not graded.",
    )
    lengths: LengthSettings | None = Field(
        default=None, description="How long completions on the RL set are; null: not sampled."
    )
    reporting: ReportSettings = Field(description="Statistics, verdicts, figures.")
    limits: InputLimits = Field(
        default_factory=InputLimits, description="Limits on files from outside: data, archives, models. Ours."
    )
    resources: JobResources = Field(description="What jobs need.")
    placements: dict[Name, Placement] = Field(
        default_factory=dict,
        description="By key of `models`: where the jobs of that model, and of what is trained from it, run otherwise.",
    )

    def placed(self, model: str) -> "Config":
        """The config as the jobs of one base model see it."""
        placement = self.placements.get(model, Placement())
        sft, rl, evaluation = placement.sft, placement.rl, placement.evaluation
        generation = _replaced(
            self.rl.generation,
            tensor_parallel=rl.tensor_parallel,
            gpu_memory_utilization=rl.gpu_memory_utilization,
        )
        evaluate = _replaced(self.resources.evaluate, gpu=evaluation.gpu)
        return self.model_copy(
            update={
                "sft": _replaced(self.sft, launch=sft.launch, device_batch=sft.device_batch),
                "rl": _replaced(
                    self.rl, launch=rl.launch, tokens_per_forward=rl.tokens_per_forward, generation=generation
                ),
                "evaluation": _replaced(self.evaluation, engine=evaluation.engine),
                "resources": self.resources.model_copy(update={"evaluate": evaluate}),
            }
        )

    def gpus(self, kind: str) -> int:
        """The most GPUs on a node that a job of a kind asks for, over the models of the run."""
        return max(int(getattr(self.placed(model).resources, kind).gpu) for model in self.models)

    def launches(self, kind: str) -> list[Launch]:
        """The launches of a kind of training over the models of the run; none of another kind of job."""
        if kind not in ("sft", "rl"):
            return []
        return [getattr(self.placed(model), kind).launch for model in self.models]

    def of_arm(self, arm: str) -> "Config":
        """The config as an arm's jobs see it."""
        return self.placed(self.starts[self.arms[arm].start].model)

    def of_start(self, start: str) -> "Config":
        """The config as a start's jobs see it."""
        return self.placed(self.starts[start].model)

    @field_validator("benchmark_folders")
    @classmethod
    def _use_folders(cls, folders: list[str]) -> list[str]:
        # At once, for the sections that come after it may name these benchmarks.
        try:
            benchmark_folders.use(folders)
        except UserError as error:
            raise ValueError(str(error)) from None
        return folders

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        _known("run_arms", self.run_arms, self.arms)
        _known("take_released", self.take_released, {"coldset", *self.starts, *self.arms})
        _known("coldset.sources", self.coldset.sources, self.problems)
        _known("rl.problems", [self.rl.problems], self.problems)
        _known("lengths.arms", self.lengths.arms if self.lengths else [], self.arms)
        _known("placements", list(self.placements), self.models)
        _known("benchmarks", list(self.benchmarks), benchmark_folders.slugs())
        for name, start in self.starts.items():
            _known(f"starts.{name}.model", [start.model], self.models)
        for name, arm in self.arms.items():
            _known(f"arms.{name}.start", [arm.start], self.starts)
            _known(f"arms.{name}.reward", [arm.reward] if arm.reward else [], self.rewards)
            _known(f"arms.{name}.evaluate_on", arm.evaluate_on or [], self.benchmarks)
            for number, stage in enumerate(arm.stages):
                _known(f"arms.{name}.stages[{number}].problems", [stage.problems or self.rl.problems], self.problems)
        for side, engine in (("mllm", self.coldset.mllm), ("reasoner", self.coldset.reasoner)):
            if isinstance(engine, ModelEngine) and not engine.is_endpoint:
                _known(f"coldset.{side}.model", [engine.model], self.models)
        if self.graders and isinstance(self.graders.llm, GradingLlm) and not self.graders.llm.is_endpoint:
            _known("graders.llm.model", [self.graders.llm.model], self.models)
        if shared := set(self.problems) & set(self.benchmarks):
            raise ValueError(f"problems: {sorted(shared)[0]!r} is also a benchmark; name it otherwise")
        if shared := set(self.starts) & {name for name, arm in self.arms.items() if arm.stages}:
            raise ValueError(f"arms: {sorted(shared)[0]!r} is also a start and has stages; name it otherwise")
        return self

    @model_validator(mode="after")
    def _stages_are_possible(self) -> Self:
        for name, arm in self.arms.items():
            context = self.models[self.starts[arm.start].model].context
            for number, stage in enumerate(arm.stages):
                where = f"arms.{name}.stages[{number}]"
                if (needed := stage.max_tokens + self.rl.max_prompt_tokens) > context:
                    raise ValueError(
                        f"{where}.max_tokens: {stage.max_tokens} and rl.max_prompt_tokens {self.rl.max_prompt_tokens}"
                        f" make {needed} tokens, the model {self.starts[arm.start].model!r} reads {context}"
                    )
                completions = self.rl.prompts_per_step * stage.group
                launch = self.of_arm(name).rl.launch
                processes = launch.nodes * launch.processes
                if completions % (processes * self.rl.updates_per_rollout):
                    raise ValueError(
                        f"{where}.group: {stage.group} x rl.prompts_per_step {self.rl.prompts_per_step} = {completions}"
                        f" completions do not divide over {processes} processes x {self.rl.updates_per_rollout} updates"
                    )
        return self

    @model_validator(mode="after")
    def _selections_are_possible(self) -> Self:
        for name, arm in self.arms.items():
            if arm.select == "last":
                continue
            where, selection = f"arms.{name}.select", self.selection
            if selection is None:
                raise ValueError(f"{where}: {arm.select} needs `selection`, which is null")
            if arm.stages[-1].elsewhere:
                raise ValueError(
                    f"{where}: of a last stage that another engine trains only the end comes back; set it to last"
                )
            if selection.steps > arm.stages[-1].steps:
                raise ValueError(
                    f"{where}: selection.steps {selection.steps} reach before the last stage, which has"
                    f" {arm.stages[-1].steps} steps"
                )
            _known("selection.benchmarks", selection.benchmarks, arm.evaluate_on or self.evaluation.benchmarks)
            if "single" not in self.evaluation.protocols:
                raise ValueError(f"{where}: candidates are asked under protocol single; add it to evaluation.protocols")
        return self

    @model_validator(mode="after")
    def _placements_divide(self) -> Self:
        for model in self.models:
            placed, where = self.placed(model), f"placements.{model}: " if model in self.placements else ""
            sft, rl = placed.sft, placed.rl
            processes = sft.launch.nodes * sft.launch.processes
            if sft.batch % (processes * sft.device_batch):
                raise ValueError(
                    f"{where}sft.batch: {sft.batch} is no multiple of {processes} processes x sft.device_batch"
                    f" {sft.device_batch}"
                )
            for kind, launch in (("sft", sft.launch), ("rl", rl.launch)):
                gpus = getattr(placed.resources, kind).gpu
                if gpus and gpus != launch.processes:
                    raise ValueError(
                        f"{where}resources.{kind}.gpu: {gpus}, but {kind}.launch starts {launch.processes} processes a"
                        " node; they must be equal, one GPU a process"
                    )
            split, gpus = getattr(placed.evaluation.engine, "tensor_parallel", 1), placed.resources.evaluate.gpu
            if gpus and split > gpus:
                raise ValueError(
                    f"{where}resources.evaluate.gpu: {gpus}, but its model is spread over tensor_parallel {split} GPUs"
                )
            if rl.launch.processes % rl.generation.tensor_parallel:
                raise ValueError(
                    f"{where}rl.generation.tensor_parallel: {rl.generation.tensor_parallel} does not divide the"
                    f" {rl.launch.processes} processes of a node"
                )
        return self

    @model_validator(mode="after")
    def _bridging_fits(self) -> Self:
        split = getattr(getattr(self.coldset.mllm, "sampler", None), "tensor_parallel", 1)
        if (gpus := self.resources.bridge.gpu) and split > gpus:
            raise ValueError(f"resources.bridge.gpu: {gpus}, but its model is spread over tensor_parallel {split} GPUs")
        return self

    @model_validator(mode="after")
    def _released_have_a_source(self) -> Self:
        for name in self.take_released:
            sources = [
                self.coldset.released if name == "coldset" else None,
                self.starts[name].released if name in self.starts else None,
                self.arms[name].released if name in self.arms else None,
            ]
            if not any(sources):
                key = "coldset" if name == "coldset" else f"arms.{name}"
                raise ValueError(f"take_released: {name!r} has no {key}.released that says where to take it from")
        return self

    @model_validator(mode="after")
    def _adopted_has_a_seed(self) -> Self:
        starts = [(f"starts.{name}", start.adopted) for name, start in self.starts.items()]
        stages = [
            (f"arms.{name}.stages[{number}]", stage.adopted)
            for name, arm in self.arms.items()
            for number, stage in enumerate(arm.stages)
        ]
        seeds = len(self.seeds.training)
        for where, path in [*starts, *stages]:
            if path is not None and seeds > 1 and "{seed}" not in path:
                raise ValueError(
                    f"{where}.adopted: one path for {seeds} training seeds; write {{seed}} where it has the seed"
                )
        return self

    @model_validator(mode="after")
    def _lab_is_there_where_used(self) -> Self:
        uses = [
            f"{section}.{name}"
            for section in ("models", "problems", "benchmarks")
            for name, source in getattr(self, section).items()
            if source.kind == "lab"
        ]
        if uses and self.lab is None:
            raise ValueError(f"lab: is null, but {uses[0]} is of kind lab")
        return self


def _replaced(section: _Section, **values: Any) -> _Section:
    return section.model_copy(update={name: value for name, value in values.items() if value is not None})


def _known(key: str, names: list[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"{key}: unknown name {name!r}; known: {', '.join(sorted(known))}")

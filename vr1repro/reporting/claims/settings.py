"""Our value of each published setting that a config states, or a run's manifests, by the published number's id.

A setting without a counterpart is left out, and the report says so: hours are results of a run, not settings, and the
repository's number of preprocessing workers has no meaning here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vr1repro.config.arms import Stage
from vr1repro.config.problems import ProblemSource
from vr1repro.config.run import Config
from vr1repro.config.samplers import EndpointSampler
from vr1repro.core.provenance import MANIFEST, read_manifest
from vr1repro.reporting.run.results import Results

_PTST, _STAGE3, _LONG, _ZERO = "vision-r1", "vision-r1-stage3", "long", "zero"


def our_settings(config: Config, results: Results | None = None) -> dict[str, Any]:
    """Values of a config under the ids of `published/numbers.json`, those that it has.

    Args:
        results: The run, whose manifests have the sizes of its sets; None: they are left out.
    """
    values = {identity: read(config) for identity, read in _READERS.items()}
    if results is not None:
        values |= {identity: read(config, results) for identity, read in _SIZES.items()}
    return {identity: value for identity, value in values.items() if value is not None}


def _stages(config: Config, arm: str) -> list[Stage]:
    return config.arms[arm].stages if arm in config.arms else []


def _stage(arm: str, number: int, field: str) -> Callable[[Config], Any]:
    def read(config: Config) -> Any:
        stages = _stages(config, arm)
        return getattr(stages[number - 1], field) if number <= len(stages) else None

    return read


def _steps(arm: str) -> Callable[[Config], int | None]:
    return lambda config: sum(stage.steps for stage in _stages(config, arm)) or None


def _endpoint(field: str) -> Callable[[Config], Any]:
    def read(config: Config) -> Any:
        engine = config.evaluation.engine
        return getattr(engine, field) if isinstance(engine, EndpointSampler) else None

    return read


def _gpus(stage: str) -> Callable[[Config], int | None]:
    def read(config: Config) -> int | None:
        launch = getattr(config, stage).launch
        on_gpus = config.resources.model_dump()[stage]["gpu"] > 0
        return launch.nodes * launch.processes if on_gpus else None

    return read


def _reward_ratio(config: Config) -> str | None:
    """Format and result have equal weight in `answers.reward.format_plus_result`, by construction."""
    arm = config.arms.get(_ZERO)
    reward = config.rewards.get(arm.reward or "") if arm else None
    return "1:1" if reward is not None and reward.kind == "format_plus_result" else None


def _accumulation(gpus: int) -> Callable[[Config], int | None]:
    """The repository has a train.yaml for 8 GPUs and one for 32; each says it of a run on so many."""

    def read(config: Config) -> int | None:
        processes = config.sft.launch.nodes * config.sft.launch.processes
        return config.sft.batch // (config.sft.device_batch * processes) if processes == gpus else None

    return read


def _tokens_of_stages(config: Config) -> int | str | None:
    """Length limit times samples of each stage: one number where it is held constant."""
    products = dict.fromkeys(stage.max_tokens * stage.group for stage in _stages(config, _STAGE3))
    return next(iter(products)) if len(products) == 1 else ", ".join(map(str, products)) or None


def _zero_stage(config: Config) -> str | None:
    return f"ZeRO-{config.sft.launch.zero_stage}" if config.sft.launch.zero_stage else None


def _size(folder: Path, fact: str = "problems") -> int | None:
    """How many rows a finished set has, as its manifest counted them."""
    if not (folder / MANIFEST).exists():
        return None
    size = read_manifest(folder)["content"]["facts"].get(fact)
    return None if size is None else int(size)


def _source_size(adapter: str) -> Callable[[Config, Results], int | None]:
    """The size of the cold-start set's source that an adapter reads."""

    def read(config: Config, results: Results) -> int | None:
        for name in config.coldset.sources:
            source = config.problems[name]
            if isinstance(source, ProblemSource) and source.adapter == adapter:
                return _size(results.run / "problems" / name)
        return None

    return read


def _additional(config: Config, results: Results) -> int | None:
    """The size of the set that some stages train on instead of the common one."""
    stages = (stage for arm in config.arms.values() for stage in arm.stages)
    name = next((stage.problems for stage in stages if stage.problems not in (None, config.rl.problems)), None)
    return None if name is None else _size(results.run / "problems" / name)


_SIZES: dict[str, Callable[[Config, Results], int | None]] = {
    "v1-v4.settings.vision-r1.data.vision-r1-cold-size-claimed.setting": lambda config, results: _size(
        results.coldset, "kept"
    ),
    "v1-v4.settings.vision-r1.data.llava-cot-source-size.setting": _source_size("llava-cot"),
    "v1-v4.settings.vision-r1.data.mulberry-source-size.setting": _source_size("mulberry"),
    "v1-v4.settings.vision-r1.data.rl-data-size-approx.setting": lambda config, results: _size(
        results.run / "problems" / config.rl.problems
    ),
    "v4.settings.vision-r1.data.extra-rl-data-for-32b-72b-approx.setting": _additional,
}


_READERS: dict[str, Callable[[Config], Any]] = {
    "v1-v4.settings.vision-r1.sft.sft-epochs.setting": lambda config: config.sft.epochs,
    "v1.settings.vision-r1.sft.sft-gpus-h800-80g.setting": _gpus("sft"),
    "repo.settings.vision-r1.sft.learning-rate.setting": lambda config: config.sft.learning_rate,
    "repo.settings.vision-r1.sft.num-train-epochs.setting": lambda config: config.sft.epochs,
    "repo.settings.vision-r1.sft.warmup-ratio.setting": lambda config: config.sft.warmup_ratio,
    "repo.settings.vision-r1.sft.lr-scheduler-type.setting": lambda config: config.sft.schedule,
    "repo.settings.vision-r1.sft.bf16.setting": lambda config: str(config.sft.launch.precision == "bf16").lower(),
    "repo.settings.vision-r1.sft.deepspeed.setting": _zero_stage,
    "repo.settings.vision-r1.sft.finetuning-type.setting": lambda _: "full",  # nothing here trains adapters
    "v4.settings.vision-r1.rl.length-limit-x-samples-of-each-stage.setting": _tokens_of_stages,
    "repo.settings.vision-r1.sft.cutoff-len.setting": lambda config: config.sft.cutoff,
    "repo.settings.vision-r1.sft.per-device-train-batch-size.setting": lambda config: config.sft.device_batch,
    "repo.settings.vision-r1.sft.gradient-accumulation-steps-8-gpu-yaml.setting": _accumulation(8),
    "repo.settings.vision-r1.sft.gradient-accumulation-steps-32-gpu-yaml.setting": _accumulation(32),
    "repo.settings.vision-r1.sft.save-steps.setting": lambda config: config.sft.launch.save_every or None,
    "v1-v4.settings.vision-r1.rl.grpo-clip-epsilon.setting": lambda config: config.rl.epsilon,
    "v1-v4.settings.vision-r1.rl.grpo-kl-beta.setting": lambda config: config.rl.beta,
    "v1.settings.vision-r1.rl.rl-gpus-h800-80g.setting": _gpus("rl"),
    "v1-v4.settings.vision-r1.rl.ptst-number-of-stages-used-s.setting": lambda config: (
        len(_stages(config, _PTST)) or None
    ),
    "v1-v4-readme.settings.vision-r1.rl.stage-1-length-limit.setting": _stage(_STAGE3, 1, "max_tokens"),
    "v1-v4-readme.settings.vision-r1.rl.stage-1-samples-per-input.setting": _stage(_STAGE3, 1, "group"),
    "v1-v4.settings.vision-r1.rl.stage-1-steps.setting": _stage(_STAGE3, 1, "steps"),
    "v1-v4-readme.settings.vision-r1.rl.stage-2-length-limit.setting": _stage(_STAGE3, 2, "max_tokens"),
    "v1-v4-readme.settings.vision-r1.rl.stage-2-samples-per-input.setting": _stage(_STAGE3, 2, "group"),
    "v1-v4.settings.vision-r1.rl.stage-2-steps.setting": _stage(_STAGE3, 2, "steps"),
    "v1-v4-readme.settings.vision-r1.rl.stage-3-length-limit.setting": _stage(_STAGE3, 3, "max_tokens"),
    "v1-v4-readme.settings.vision-r1.rl.stage-3-samples-per-input.setting": _stage(_STAGE3, 3, "group"),
    "v1-v4.settings.vision-r1.rl.stage-3-steps.setting": _stage(_STAGE3, 3, "steps"),
    "v1.settings.vision-r1.rl.stage-1-length-limit-text.setting": _stage(_PTST, 1, "max_tokens"),
    "v4.settings.vision-r1.rl.stage-1-length-limit-text.setting": _stage(_PTST, 1, "max_tokens"),
    "v1-v4.settings.vision-r1-long.rl.length-limit.setting": _stage(_LONG, 1, "max_tokens"),
    "v1-v4.settings.vision-r1-long.rl.samples-per-input.setting": _stage(_LONG, 1, "group"),
    "v1-v4.settings.vision-r1-long.rl.steps.setting": _steps(_LONG),
    "v4.settings.vision-r1-zero.rl.length-limit.setting": _stage(_ZERO, 1, "max_tokens"),
    "v4.settings.vision-r1-zero.rl.samples-per-input.setting": _stage(_ZERO, 1, "group"),
    "v4.settings.vision-r1-zero.rl.steps.setting": _steps(_ZERO),
    "v1-v4.settings.vision-r1-zero.rl.format-result-reward-ratio.setting": _reward_ratio,
    "repo.settings.vision-r1.evaluation.temperature.setting": lambda config: config.evaluation.temperature,
    "repo.settings.vision-r1.evaluation.top-p.setting": lambda config: config.evaluation.top_p,
    "repo.settings.vision-r1.evaluation.max-tokens.setting": lambda config: config.evaluation.max_tokens,
    "repo.settings.vision-r1.evaluation.nproc.setting": _endpoint("concurrency"),
    "repo.settings.vision-r1.evaluation.timeout-s.setting": _endpoint("timeout_s"),
    "repo.settings.vision-r1.evaluation.max-extra-requests-when-answer-is-missing.setting": lambda config: (
        config.evaluation.retries if "paper" in config.evaluation.protocols else None
    ),
}

"""A preset made small, with what breaks things kept: the only keys that may differ are listed here.

Kept are the numbers of heads and of key-value heads, the width of the vision MLP, tied or untied embeddings, ZeRO stage
or FSDP2, precision, checkpointing, packing, groups, updates a rollout, loss, reference, frozen parts and the sampler's
kind. Divided by `SCALE` are all limits of tokens and pixels, so that their ratios stay.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vr1repro.config import loader
from vr1repro.config.run import Config
from vr1repro.core.errors import UserError

SCALE = 128
PROCESSES = 2
PROMPT_TOKENS = 256  # the lab's longest prompt fits
STEPS = 2

# What a rehearsal may change, with the reason. Anything else that differed would be another preset.
MAY_DIFFER = {
    r"run": "a folder of its own",
    r"guard_finished": "nothing here cost GPU-days",
    r"comparable": "no score of a rehearsal is one",
    r"lab": "generated problems and pictures instead of those of the hub",
    r"seeds\..*": "one of each",
    r"models\..+\.context": "tokens / 128, and the lab's prompts",
    r"benchmarks": "a few generated questions in the real one's columns",
    r"(arms\..+\.evaluate_on|evaluation\.benchmarks|evaluation\.prompts.*)": "benchmarks that the lab can generate",
    r"arms\..+\.stages\.\d+\.(steps|max_tokens)": f"{STEPS} steps; tokens / {SCALE}",
    r"selection(\.(every|steps|benchmarks.*))?": "every step of those that are left",
    r"lengths": "a few problems",
    r"sft\.(epochs|batch|cutoff|min_image_pixels|max_image_pixels)": "a few rows; tokens and pixels scaled",
    r"(placements\..+\.)?sft\.(launch\.(nodes|processes)|launch\.save_every)": f"{PROCESSES} CPU processes",
    r"rl\.(prompts_per_step|max_prompt_tokens|evaluate_every|max_clipped_share|min_image_pixels|max_image_pixels)":
        "a few prompts; tokens and pixels scaled; an untrained model ends few completions",
    r"(placements\..+\.)?rl\.tokens_per_forward": f"tokens / {SCALE}",
    r"(placements\..+\.)?rl\.launch\.(nodes|processes|save_every)": f"{PROCESSES} CPU processes",
    r"(placements\..+\.rl\.|rl\.generation\.)(tensor_parallel|gpu_memory_utilization)":
        f"at most {PROCESSES} processes; a CPU has no GPU memory",
    r"evaluation\.(max_tokens|max_image_pixels|accept_unhealthy|protocols.*)": "as above; an untrained model",
    r"arms\..+\.further_protocols.*": "no protocol that asks again",
    r"(placements\..+\.)?evaluation\.engine\.(tensor_parallel|max_model_len|enforce_eager|gpu_memory_utilization)":
        "one CPU process, no CUDA graphs",
    r"(placements\..+\.evaluation\.gpu|resources\..*)": "one thread, no GPU",
    r"rewards\..+\.workers": "one",
    r"graders": "no LLM is served here; the lab's jobs of extraction and judging are micro's",
}  # fmt: skip

_WHOLE = {"lab", "benchmarks", "graders"}  # compared and shown as one


@dataclass(frozen=True)
class Change:
    """A value that the small config has otherwise."""

    key: str
    preset: Any
    small: Any

    def __str__(self) -> str:
        before, after = (textwrap.shorten(repr(value), 60) for value in (self.preset, self.small))
        return f"{self.key}: {before} -> {after}"


def shrink(preset: Config, lab: Mapping[str, Any]) -> Config:
    """Make a preset small.

    Args:
        preset: A checked config.
        lab: Section `lab` of another config, whose world gives problems and benchmarks.

    Raises:
        UserError: The small config is not a valid one.
    """
    values = preset.model_dump(mode="json")
    values |= {"run": f"rehearsal-{preset.run}", "comparable": False, "guard_finished": False, "lab": dict(lab)}
    values["seeds"] = {"data": 1, "training": [1], "evaluation": [1]}
    for model in values["models"].values():
        model["context"] = max(4096, model["context"] // SCALE)
    generated = ["mathvista", "mathverse", "mmmath"]
    values["benchmarks"] = {slug: {"kind": "lab", "n": 2} for slug in generated}
    for arm in values["arms"].values():
        arm |= {"evaluate_on": None, "further_protocols": []}
        for stage in arm["stages"]:
            stage |= {"steps": STEPS, "max_tokens": max(8, stage["max_tokens"] // SCALE)}
    if values["selection"]:
        values["selection"] = {"every": 1, "steps": STEPS, "benchmarks": generated}
    if values["lengths"]:
        values["lengths"]["problems"] = 2
    sft, rl, evaluation = values["sft"], values["rl"], values["evaluation"]
    processes = {kind: _processes(values[kind]["launch"]) for kind in ("sft", "rl")}
    sft |= {"epochs": 1, "batch": 2 * processes["sft"] * sft["device_batch"], "cutoff": 2048}
    rl |= {
        "prompts_per_step": processes["rl"] * rl["updates_per_rollout"],
        "max_prompt_tokens": PROMPT_TOKENS,
        "evaluate_every": STEPS,
        "max_clipped_share": 1.0,
    }
    for section in (sft, rl):
        for limit in ("min_image_pixels", "max_image_pixels"):
            section[limit] = section[limit] and section[limit] // SCALE
    for where in (values, *values["placements"].values()):
        for kind in ("sft", "rl"):
            if launch := where[kind]["launch"]:
                launch |= {"nodes": 1, "processes": _processes(launch), "save_every": 1}
        if tokens := where["rl"]["tokens_per_forward"]:
            where["rl"]["tokens_per_forward"] = max(64, tokens // SCALE)
        sampling = where["rl"].get("generation", where["rl"])
        if sampling["tensor_parallel"]:
            sampling["tensor_parallel"] = min(sampling["tensor_parallel"], PROCESSES)
        engine = where["evaluation"]["engine"]
        if engine and engine["kind"] == "vllm":
            engine |= {"tensor_parallel": 1, "max_model_len": 1024, "enforce_eager": True}
    for placement in values["placements"].values():
        placement["evaluation"]["gpu"] = placement["evaluation"]["gpu"] and 0
    evaluation |= {"benchmarks": generated, "protocols": ["single"], "accept_unhealthy": True}
    evaluation |= {"max_tokens": max(8, evaluation["max_tokens"] // SCALE), "prompts": {}}
    values["graders"] = None
    for resources in values["resources"].values():
        resources |= {"threads": 1, "gpu": 0}
    for reward in values["rewards"].values():
        reward["workers"] = 1
    return loader.check(values, f"{preset.run}, made small")


def changes(preset: Config, small: Config) -> list[Change]:
    """What differs, by key.

    Raises:
        UserError: A key differs that may not.
    """
    before, after = dict(_leaves(preset.model_dump(mode="json"))), dict(_leaves(small.model_dump(mode="json")))
    differing = [
        Change(key, before.get(key), after.get(key))
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]
    for change in differing:
        if not any(re.fullmatch(rf"{pattern}(\..*)?", change.key) for pattern in MAY_DIFFER):
            raise UserError(
                f"rehearsal: {change.key} is {change.preset!r} in the preset and {change.small!r} in the small config;"
                " it is not on the list of keys that may differ (vr1repro/rehearsal/shrink.py)"
            )
    return differing


def _processes(launch: Mapping[str, Any]) -> int:
    return min(PROCESSES, int(launch["nodes"]) * int(launch["processes"]))


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    items: Any = ()
    if isinstance(value, dict) and key not in _WHOLE:
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    if not items:
        yield key, value
    for name, part in items:
        yield from _leaves(part, f"{key}.{name}" if key else str(name))

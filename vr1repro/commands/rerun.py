"""`vr1repro why-rerun` and `accept`: what has changed since a target was made, and that it is taken all the same."""

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from vr1repro.core.errors import UserError
from vr1repro.core.outside import json_file
from vr1repro.core.provenance import CONTENT, MANIFEST, PLANNED, restore_content_hash
from vr1repro.jobs.common import GUARDED_RULES

app = typer.Typer()

_RULE = re.compile(r"^(?:local)?(?:rule|checkpoint) (\w+):$", re.MULTILINE)
_SHA = re.compile(r"\b[0-9a-f]{16}\b")
# The estimate's name of what a rule makes.
_STAGES = {
    "bridge_shard": "cold set", "train_sft": "SFT", "train_rl_stage": "RL", "evaluate_checkpoint": "evaluation",
    "sample_lengths": "lengths on RL set", "extract_answers": "extraction, judging",
    "judge_answers": "extraction, judging",
}  # fmt: skip


ConfigFile = Annotated[Path, typer.Option("--configfile", help="The run's config file.")]
Snakefile = Annotated[Path, typer.Option(help="The workflow.")]
Directory = Annotated[Path, typer.Option(help="Where snakemake was started.")]


@dataclass
class Plan:
    """What Snakemake would do: jobs by rule, and the reasons of each rule as it prints them."""

    jobs: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, list[str]] = field(default_factory=dict)


@app.command()
def why_rerun(
    target: Annotated[str, typer.Argument(help="A file or folder of a run, an arm, or a target such as `tables`.")],
    configfile: ConfigFile = Path("config/micro.yaml"),
    snakefile: Snakefile = Path("Snakefile"),
    directory: Directory = Path(),
) -> None:
    """Say what has changed since a target was made, by module and setting, and what making it again would cost."""
    for line in explain(target, configfile, snakefile, directory):
        typer.echo(line)


@app.command()
def accept(
    folder: Annotated[Path, typer.Argument(help="A finished model or training, as results/paper/train/ci/s1/sft.")],
    configfile: ConfigFile = Path("config/micro.yaml"),
    snakefile: Snakefile = Path("Snakefile"),
    directory: Directory = Path(),
) -> None:
    """Take a finished model or training as it is, though its code, settings or inputs have changed since."""
    place = directory / folder
    if not (place / MANIFEST).exists():
        raise UserError(f"{folder}: is not finished (no {MANIFEST}); there is nothing to accept")
    closed = f"{folder}/{CONTENT}"
    # Nothing before it is taken along: of the rules that make such folders, its own alone may be planned.
    from vr1repro.jobs.start import ELSEWHERE_RULES  # every job's process imports this module

    alone = ["--force", "--allowed-rules", *GUARDED_RULES, *ELSEWHERE_RULES]
    plan = read_plan(_snakemake(["-n", closed, *alone], configfile, snakefile, directory, closed))
    if plan.jobs.total() > 1:
        raise UserError(f"{folder}: what it is made from has changed as well; accept or make that first (why-rerun)")
    restore_content_hash(place)
    _snakemake(["--touch", "--cores", "1", closed, *alone], configfile, snakefile, directory, closed)
    (place / PLANNED).unlink(missing_ok=True)
    typer.echo(f"{folder}: accepted; Snakemake now takes it for made by this code, with these settings and inputs")


def explain(target: str, configfile: Path, snakefile: Path, directory: Path) -> list[str]:
    """The lines that `why-rerun` prints.

    Raises:
        UserError: Snakemake refuses the target or the config.
    """
    from vr1repro.config.loader import load

    root = directory / "results" / load(configfile).run
    words = ["-n", _file_of(target, directory), "--nolock"]
    plan = read_plan(_snakemake(words, configfile, snakefile, directory, target))
    if not plan.jobs:
        return [f"{target}: nothing to be done; neither code, settings nor inputs have changed"]
    lines = []
    for rule, count in plan.jobs.items():
        lines.append(f"{rule}: {count} jobs" if count > 1 else f"{rule}: 1 job")
        for reason in plan.reasons.get(rule, []):
            lines += [f"  {line}" for line in _in_words(reason, root)]
    return [*lines, *_costs(plan, configfile)]


def read_plan(text: str) -> Plan:
    """Jobs and reasons of a dry run's output."""
    plan = Plan()
    parts = _RULE.split(text)
    for rule, block in zip(parts[1::2], parts[2::2], strict=True):
        if rule == "all":
            continue
        plan.jobs[rule] += 1
        block = block.split("\nJob stats:")[0]
        match = re.search(r"^    reason: (.*?)(?=^    \w+:|\Z)", block, re.MULTILINE | re.DOTALL)
        reason = " ".join(match[1].split()) if match else "no reason given"
        reasons = plan.reasons.setdefault(rule, [])
        if reason not in reasons:
            reasons.append(reason)
    return plan


def changed_modules(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """What differs between two tables of module hashes, one phrase a module."""
    phrases = []
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            what = "added" if name not in before else "removed" if name not in now else "edited"
            phrases.append(f"{name} ({what})")
    return phrases


def changed_settings(before: object, now: object, name: str = "") -> list[str]:
    """Which values differ between two tables of settings, one phrase a key."""
    if isinstance(before, dict) and isinstance(now, dict):
        pairs = [(f"{name}.{key}".strip("."), key) for key in sorted(before.keys() | now.keys())]
        return [line for path, key in pairs for line in changed_settings(before.get(key, "-"), now.get(key, "-"), path)]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        inside = [f"{name}[{index}]" if name else "" for index in range(len(now))]
        pieces = zip(before, now, inside, strict=True)
        return [line for old, new, path in pieces for line in changed_settings(old, new, path)]
    return [] if before == now else [f"{name or 'value'}: {json.dumps(before)} -> {json.dumps(now)}"]


def _in_words(reason: str, root: Path) -> list[str]:
    """A reason of Snakemake's; hashes in it become the modules that were edited and the settings that differ."""
    lines = []
    for kind, differences in (("code", changed_modules), ("settings", changed_settings)):
        known = [root / kind / f"{sha}.json" for sha in dict.fromkeys(_SHA.findall(reason))]
        tables = [json_file(path) for path in known if path.is_file()]
        if len(tables) > 1:
            lines += [f"its {kind} changed:", *(f"  {line}" for line in differences(tables[0], tables[-1]))]
    return lines or [_shortened(reason)]


def _shortened(reason: str, longest: int = 400) -> str:
    return reason if len(reason) <= longest else f"{reason[:longest]} ..."


def _costs(plan: Plan, configfile: Path) -> list[str]:
    from vr1repro.cluster.estimate import estimate
    from vr1repro.config.loader import load
    from vr1repro.config.plan import Plan as RunPlan

    costs = {cost.name: cost for cost in estimate(RunPlan(load(configfile)))}
    lines = []
    for rule, count in plan.jobs.items():
        cost = costs.get(_STAGES.get(rule, ""))
        if cost is not None and cost.gpus and cost.jobs:
            low, high = (hours * count / cost.jobs for hours in cost.gpu_hours)
            lines.append(f"{rule}: about {low:.0f} to {high:.0f} GPU-hours (`vr1repro plan` says what that rests on)")
    return lines or ["no job of these needs a GPU"]


def _file_of(target: str, directory: Path) -> str:
    """A folder stands for the file that says it is complete."""
    folder = directory / target
    if folder.is_dir():
        for name in (CONTENT, "verdicts.json", "responses.json"):
            if (folder / name).exists() or (name == CONTENT and (folder / MANIFEST).exists()):
                return f"{target.rstrip('/')}/{name}"
    return target


def _snakemake(words: list[str], configfile: Path, snakefile: Path, directory: Path, target: str) -> str:
    command = [
        sys.executable, "-m", "snakemake", *words, "--snakefile", str(snakefile), "--configfile",
        str(configfile), "--directory", str(directory),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UserError(f"{target}: snakemake refuses it: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout + done.stderr

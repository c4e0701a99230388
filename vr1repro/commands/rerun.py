"""`vr1repro why-rerun`: what has changed since a target was made, and what it would cost to make it again."""

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

_RULE = re.compile(r"^(?:local)?(?:rule|checkpoint) (\w+):$", re.MULTILINE)
_SHA = re.compile(r"\b[0-9a-f]{16}\b")
# The estimate's name of what a rule makes.
_STAGES = {
    "bridge_shard": "cold set", "train_sft": "SFT", "train_rl_stage": "RL", "evaluate_checkpoint": "evaluation",
}  # fmt: skip


@dataclass
class Plan:
    """What Snakemake would do: jobs by rule, and the reasons of each rule as it prints them."""

    jobs: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, list[str]] = field(default_factory=dict)


def why_rerun(
    target: Annotated[str, typer.Argument(help="A file or folder of a run, an arm, or a target such as `tables`.")],
    configfile: Annotated[Path, typer.Option("--configfile", help="The run's config file.")] = Path(
        "config/micro.yaml"
    ),
    snakefile: Annotated[Path, typer.Option(help="The workflow.")] = Path("Snakefile"),
    directory: Annotated[Path, typer.Option(help="Where snakemake was started.")] = Path(),
) -> None:
    """Say what has changed since a target was made, by module, and what making it again would cost."""
    for line in explain(target, configfile, snakefile, directory):
        typer.echo(line)


def explain(target: str, configfile: Path, snakefile: Path, directory: Path) -> list[str]:
    """The lines that `why-rerun` prints.

    Raises:
        UserError: Snakemake refuses the target or the config.
    """
    from vr1repro.config.loader import load

    root = directory / "results" / load(configfile).run
    plan = read_plan(_dry_run(_file_of(target, directory), configfile, snakefile, directory))
    if not plan.jobs:
        return [f"{target}: nothing to be done; neither code, settings nor inputs have changed"]
    lines = []
    for rule, count in plan.jobs.items():
        lines.append(f"{rule}: {count} jobs" if count > 1 else f"{rule}: 1 job")
        for reason in plan.reasons.get(rule, []):
            lines += [f"  {line}" for line in _in_words(reason, root / "code")]
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


def _in_words(reason: str, tables: Path) -> list[str]:
    """A reason of Snakemake's; hashes of code in it become the modules that were edited."""
    known = {sha: tables / f"{sha}.json" for sha in _SHA.findall(reason)}
    found = {sha: json.loads(path.read_text(encoding="utf-8")) for sha, path in known.items() if path.is_file()}
    if len(found) < 2:
        return [_shortened(reason)]
    before, *_, now = found.values()
    modules = changed_modules(before, now)
    return ["its code has changed:", *(f"  {module}" for module in modules)]


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
        for name in ("content.sha256", "verdicts.json", "responses.json"):
            if (folder / name).exists() or (name == "content.sha256" and (folder / "manifest.json").exists()):
                return f"{target.rstrip('/')}/{name}"
    return target


def _dry_run(target: str, configfile: Path, snakefile: Path, directory: Path) -> str:
    command = [
        sys.executable, "-m", "snakemake", "-n", target, "--snakefile", str(snakefile), "--configfile",
        str(configfile), "--directory", str(directory), "--nolock",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UserError(f"{target}: snakemake refuses it: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout + done.stderr

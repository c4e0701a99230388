"""The engines that a stage can be handed to: versions, environments, and what of them was run here.

None can be imported beside this package: LLaMA-Factory pins transformers to at most 5.6, EasyR1 to below 5, and verl's
Hydra wants another antlr than our grader. Each has an environment of its own, met through files and processes.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vr1repro.core.errors import UserError
from vr1repro.core.outside import json_cell

EngineName = Literal["llama-factory", "verl", "easyr1"]


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One engine.

    Attributes:
        title: As its authors write it.
        version: What was tested: a release, or a commit.
        requirements: Its file in `envs/`, for checks on CPUs.
        variable: Environment variable that names the folder of its environment.
        trains: `sft` or `rl`.
        support: What of it was run, word for word as the support table says.
        package: The distribution whose version is asked for; None where it is on no registry.
    """

    name: EngineName
    title: str
    version: str
    requirements: str
    variable: str
    trains: Literal["sft", "rl"]
    support: str
    package: str | None

    @property
    def is_trained(self) -> bool:
        """Whether a training of it was run here."""
        return self.support == EXECUTED


EXECUTED, VALIDATED = "executed", "validated, never trained"
# Where EasyR1's checkout lies; it is on no registry.
EASYR1_FOLDER = "EASYR1"
ENGINES: dict[str, Engine] = {
    engine.name: engine
    for engine in (
        Engine(
            name="llama-factory",
            title="LLaMA-Factory",
            version="0.9.5",
            requirements="envs/engine-llamafactory.txt",
            variable="VR1REPRO_LLAMAFACTORY",
            trains="sft",
            support=EXECUTED,
            package="llamafactory",
        ),
        Engine(
            name="verl",
            title="verl",
            version="0.9.1",
            requirements="envs/engine-verl.txt",
            variable="VR1REPRO_VERL",
            trains="rl",
            support=VALIDATED,
            package="verl",
        ),
        Engine(
            name="easyr1",
            title="EasyR1",
            version="b44b311b669bf1fd1aa2fc36f2251482ba33cb16",
            requirements="envs/engine-easyr1.txt",
            variable="VR1REPRO_EASYR1",
            trains="rl",
            support=VALIDATED,
            package=None,
        ),
    )
}
# Printed by the engine's own Python; the names are those that a checkpoint of it may depend on.
PRINT_VERSIONS = """
import json, platform
from importlib.metadata import PackageNotFoundError, version
names = ("accelerate", "datasets", "deepspeed", "llamafactory", "peft", "ray", "safetensors", "torch", "transformers",
         "trl", "verl", "vllm")
by_name = {"python": platform.python_version()}
for name in names:
    try:
        by_name[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(by_name))
"""


def engine(name: str) -> Engine:
    """An engine by its name.

    Raises:
        UserError: There is none of that name.
    """
    if name not in ENGINES:
        raise UserError(f"--engine {name}: no such engine; known: {', '.join(ENGINES)}")
    return ENGINES[name]


def environment(of: Engine) -> Path:
    """Folder of an engine's environment: what its variable names, else `.venv-<engine>` where we work.

    Raises:
        UserError: There is none; the message says how to make it.
    """
    folder = Path(os.environ.get(of.variable) or f".venv-{of.name}")
    if not (folder / "bin" / "python").exists():
        raise UserError(
            f"{folder}: no environment of {of.title}; make it with `make env-{of.name}` ({of.requirements}), or name"
            f" its folder in {of.variable}"
        )
    return folder.absolute()


def easyr1_checkout() -> Path:
    """Folder of EasyR1's checkout.

    Raises:
        UserError: `EASYR1` names none.
    """
    named = os.environ.get(EASYR1_FOLDER)
    if not named or not (Path(named) / "verl" / "trainer" / "main.py").is_file():
        raise UserError(
            f"{EASYR1_FOLDER}={named or ''}: must name a checkout of hiyouga/EasyR1@{ENGINES['easyr1'].version[:7]};"
            " it is on no registry"
        )
    return Path(named).absolute()


def process_environment(of: Engine) -> dict[str, str]:
    """Environment variables of an engine's processes, which find its environment and this package, not ours."""
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    folder = environment(of)
    package = Path(__file__).resolve().parents[2]
    paths = [str(package)]
    if of.name == "easyr1":
        # Its package is called verl as well; the checkout goes first.
        paths.insert(0, str(easyr1_checkout()))
    return {
        **variables,
        "PATH": os.pathsep.join([str(folder / "bin"), variables.get("PATH", "")]),
        "PYTHONPATH": os.pathsep.join(paths),
        "VIRTUAL_ENV": str(folder),
    }


def versions(of: Engine) -> dict[str, str]:
    """Versions in an engine's environment, by distribution, as its own Python says; and EasyR1's commit.

    Raises:
        UserError: Its Python does not run.
    """
    python = environment(of) / "bin" / "python"
    done = subprocess.run([python, "-c", PRINT_VERSIONS], capture_output=True, text=True, env=process_environment(of))
    if done.returncode:
        raise UserError(f"{python}: does not run: {done.stderr.strip()[-200:]}; make the environment again")
    by_name = {str(name): str(value) for name, value in json_cell(done.stdout, f"{python}: versions").items()}
    if of.name == "easyr1":
        git = ["git", "-C", str(easyr1_checkout()), "rev-parse", "HEAD"]
        done = subprocess.run(git, capture_output=True, text=True)
        by_name["easyr1"] = done.stdout.strip() or "no git checkout"
    return by_name

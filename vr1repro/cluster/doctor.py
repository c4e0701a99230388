"""`vr1repro doctor`: whether this machine can run a config, one line a finding, each with its fix."""

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, NamedTuple

from vr1repro.cluster import outlook, plugin, slurm
from vr1repro.cluster.estimate import estimate, total
from vr1repro.config.coldset import ModelEngine
from vr1repro.config.graders import GradingLlm
from vr1repro.config.plan import Plan
from vr1repro.config.samplers import EndpointSampler, VllmSampler
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import PACKAGE

State = Literal["ok", "no", "-"]
PINS = PACKAGE.parent / "envs" / "cluster.txt"
NEEDED = ("numpy", "torch", "torchvision", "transformers", "trl", "accelerate", "datasets", "lm-eval", "math-verify",
          "snakemake", "snakemake-executor-plugin-slurm", "deepspeed", "vllm")  # fmt: skip


class Finding(NamedTuple):
    """One line: ok, no (and the fix), or - where nothing here needs it."""

    state: State
    what: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.state:3} {self.what}" + (f"; fix: {self.fix}" if self.fix else "")


def examine(plan: Plan, folder: Path) -> Iterator[Finding]:
    """Look at everything that a config's jobs rest on; never raises for what it finds."""
    yield from _python(plan)
    yield from _gpus(plan)
    yield _disk(plan, folder)
    yield from _hub(plan)
    yield from _endpoints(plan)
    yield from _slurm(plan)


def _python(plan: Plan) -> Iterator[Finding]:
    right = (3, 11) <= sys.version_info[:2] <= (3, 12)
    yield Finding("ok" if right else "no", f"Python {platform.python_version()}", "" if right else "use 3.11 or 3.12")
    pins = (
        dict(re.findall(r"^([\w.-]+)==([^ ;\\\n]+)", PINS.read_text(encoding="utf-8"), re.M)) if PINS.exists() else {}
    )
    spared = _spared(plan)
    for name in NEEDED:
        try:
            installed = version(name)
        except PackageNotFoundError:
            install = "uv pip install --no-deps --require-hashes -r envs/cluster.txt"
            yield (
                Finding("-", f"{name}: not here, not needed by this config")
                if name in spared
                else Finding("no", f"{name}: not installed", install)
            )
            continue
        pinned = pins.get(name, installed)
        same = installed.split("+")[0] == pinned
        yield Finding("ok" if same else "no", f"{name} {installed}", "" if same else f"envs/cluster.txt pins {pinned}")


def _spared(plan: Plan) -> set[str]:
    """Packages that a config's jobs do without on this machine."""
    config = plan.config
    placed = [config.placed(model) for model in config.models]
    samplers = (*(part.evaluation.engine for part in placed), getattr(config.coldset.mllm, "sampler", None))
    served = plan.grader_model() is not None
    vllm = (
        served
        or any(isinstance(part, VllmSampler) for part in samplers)
        or config.rl.generation.engine == "vllm-colocate"
    )
    deepspeed = any(launch.zero_stage for part in placed for launch in (part.sft.launch, part.rl.launch))
    return {
        *(() if vllm else ("vllm",)),
        *(() if deepspeed else ("deepspeed",)),
        *(() if slurm.installed() and _most_gpus(plan) else ("snakemake-executor-plugin-slurm",)),
    }


def _gpus(plan: Plan) -> Iterator[Finding]:
    gpus = _most_gpus(plan)
    try:
        import torch
    except ImportError:
        yield Finding("no", "CUDA: torch does not import", "see torch above")
        return
    count = torch.cuda.device_count()
    if count:
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        yield Finding("ok", f"CUDA {torch.version.cuda}: {count} x {torch.cuda.get_device_name(0)}, {memory:.0f} GiB")
        nccl = ".".join(map(str, torch.cuda.nccl.version()))
        yield Finding("ok", f"NCCL {nccl}")
    elif gpus and not slurm.installed():
        yield Finding("no", f"CUDA: no GPU here, jobs ask for {gpus}", "run where GPUs are, or --profile slurm")
    else:
        yield Finding("-", "CUDA: no GPU on this host" + (", jobs get theirs from Slurm" if gpus else ", none needed"))


def _most_gpus(plan: Plan) -> int:
    """GPUs that the largest job asks for; a config without any runs on one machine, and needs no Slurm."""
    return max(plan.config.gpus(kind) for kind in type(plan.config.resources).model_fields)


def _disk(plan: Plan, folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free / 1e9
    need = total(estimate(plan)).disk_gb
    if free >= need.high:
        return Finding("ok", f"disk: {free:,.0f} GB free, at most {need.high:,.0f} needed")
    state: State = "no" if free < need.low else "ok"
    fix = "start in a folder on a larger file system; results/ and HF_HOME may be links" if state == "no" else ""
    return Finding(state, f"disk: {free:,.0f} GB free, {need.low:,.0f}-{need.high:,.0f} needed", fix)


def _hub(plan: Plan) -> Iterator[Finding]:
    from vr1repro.cluster.prefetch import hub_repositories

    repositories = hub_repositories(plan)
    if not repositories:
        yield Finding("-", "hub: nothing is taken from it")
        return
    from huggingface_hub import constants, repo_info, snapshot_download

    for repo in repositories:
        name = f"hub: {repo.kind} {repo.id}"
        try:
            if constants.HF_HUB_OFFLINE:
                snapshot_download(repo.id, revision=repo.revision, repo_type=repo.kind, local_files_only=True)
                yield Finding("ok", f"{name}, fetched")
            else:
                info = repo_info(repo.id, revision=repo.revision, repo_type=repo.kind, timeout=20)
                yield Finding("ok", f"{name}@{info.sha}")
        except Exception as error:  # the client raises dozens of kinds, from HTTP errors to those of the network
            message = (str(error).strip().splitlines() or [type(error).__name__])[0][:150]
            gated = "gated" in message.lower()
            fix = "accept its terms on the hub and set HF_TOKEN" if gated else "`vr1repro fetch CONFIG`"
            if not gated and not constants.HF_HUB_OFFLINE:
                fix = "check the network, the id and HF_TOKEN"
            yield Finding("no", f"{name}: {message}", fix)


def _endpoints(plan: Plan) -> Iterator[Finding]:
    import httpx

    config = plan.config
    engines = [
        (f"coldset.{side}", engine.model, engine.sampler)
        for side, engine in (("mllm", config.coldset.mllm), ("reasoner", config.coldset.reasoner))
        if "coldset" not in config.take_released and isinstance(engine, ModelEngine)
    ]
    if config.graders and isinstance(config.graders.llm, GradingLlm):
        engines.append(("graders.llm", config.graders.llm.model, config.graders.llm.sampler))
    for key, url, sampler in engines:
        if not isinstance(sampler, EndpointSampler) or not url.startswith(("http://", "https://")):
            continue
        secret = os.environ.get(sampler.key_env)
        try:
            headers = {"Authorization": f"Bearer {secret}"} if secret else {}
            code = httpx.get(f"{url.rstrip('/')}/models", headers=headers, timeout=20).status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            yield Finding(
                "no", f"{key}: {url} does not answer ({type(error).__name__})", "start it, or correct `model`"
            )
            continue
        if code in (401, 403):
            state = "is refused" if secret else "is not set"
            yield Finding("no", f"{key}: {url} wants a key, {sampler.key_env} {state}", f"export {sampler.key_env}=...")
        else:
            yield Finding("ok" if code < 400 else "no", f"{key}: {url} answers {code}")


def _slurm(plan: Plan) -> Iterator[Finding]:
    if not slurm.installed():
        yield Finding("-", "Slurm: not on this host; --profile local")
        return
    try:
        config = slurm.settings()
        lacking = outlook.cluster_lacks(estimate(plan))
    except UserError as error:
        if not _most_gpus(plan):
            yield Finding("-", f"Slurm: {error}; not needed by this config, --profile local")
            return
        yield Finding("no", f"Slurm: {error}", "ask where the controller is (scontrol ping); SLURM_CONF, /etc/slurm")
        return
    yield Finding("ok", f"Slurm {config.get('SLURM_VERSION', '?')}, cluster {config.get('ClusterName', '?')}")
    try:
        plugin.refuse_unseen(config, plugin.min_job_age(config), "squeue", 40)
        yield Finding("ok", f"Slurm remembers finished jobs for {plugin.min_job_age(config)} s (MinJobAge)")
    except UserError as error:
        yield Finding("no", str(error))
    for line in lacking:
        yield Finding("no", line, "another partition (SLURM_PARTITION), or smaller `resources`")
    if not lacking:
        yield Finding("ok", "Slurm: every kind of job fits a node of the partition")

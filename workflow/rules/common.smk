# Shared by all rule files. The checked config, the plan of its artefacts, and the values that rules rerun on.
import json
import os
import shlex

from vr1repro.benchmarks import headline, llm_stages
from vr1repro.benchmarks.lookup import extraction_modules, facts_modules, sampling_modules, scoring_modules
from vr1repro.cluster.launcher import launcher
from vr1repro.coldset import released
from vr1repro.coldset.models import bridge_modules
from vr1repro.config import loader, uses
from vr1repro.config.plan import SLUG, Plan
from vr1repro.config.problems import ProblemSource
from vr1repro.config.training import WITHOUT_EFFECT
from vr1repro.core.errors import UserError
from vr1repro.core.adapter_names import AUTO
from vr1repro.core.code_hash import PACKAGE, code_hash, module_hashes
from vr1repro.core.provenance import CONTENT, folder_shas, json_sha, restore_content_hashes
from vr1repro.core.files import write_atomically
from vr1repro.engines.load import engine_modules
from vr1repro.evaluation.graders import grader_modules
from vr1repro.handover.engines import ENGINES
from vr1repro.problems.lookup import adapter_modules

# `--config remake=FOLDER,...` names finished folders that may be made again; jobs read it from their environment.
if remake := config.pop("remake", None):
    os.environ["VR1REPRO_REMAKE"] = str(remake)
REMAKE = os.environ.get("VR1REPRO_REMAKE", "")
CONFIG_NAME = ", ".join(str(path) for path in workflow.config_settings.configfiles) or "config/micro.yaml"
try:
    CONFIG = loader.load_merged(config, workflow.config_settings.configfiles, CONFIG_NAME)
    PLAN = Plan(CONFIG)
    headline.refuse_unknown(PLAN)
    llm_stages.check(PLAN)
except UserError as error:
    raise WorkflowError(str(error)) from None
ROOT = str(PLAN.root)
RESOLVED = f"{ROOT}/config.yaml"
loader.write_resolved(CONFIG, Path(RESOLVED))
if not workflow.remote_exec:
    restore_content_hashes(Path(ROOT))

PROFILE = CONFIG.reporting.profile
SHARDS = CONFIG.coldset.shards
# The file that says the cold-start set is complete, where the run has one.
COLDSET = [str(PLAN.coldset() / CONTENT)] if uses.has_coldset(PLAN) else []
TRAINING_ENV = "../../envs/cluster.yaml"
REPORT_ENV = "../../envs/report.yaml"


def any_of(names):
    """A wildcard constraint that matches exactly these names; nothing where there are none."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def own_stages():
    """Arms and stages that are trained here."""
    return [
        (arm, number)
        for arm, values in CONFIG.arms.items()
        for number, stage in enumerate(values.stages, 1)
        if not stage.elsewhere
    ]


def of_stages(stages):
    """A constraint of the wildcard `arm` in train/{arm}/s{seed}/stage{stage}/ that matches these stages alone."""
    return "|".join(rf"{re.escape(arm)}(?=/s\d+/stage{number}/)" for arm, number in stages) or "(?!)"


wildcard_constraints:
    arm=any_of(CONFIG.arms),
    start=any_of(CONFIG.starts),
    model=any_of(PLAN.model_sources()),
    set=any_of([*CONFIG.problems, *CONFIG.benchmarks]),
    benchmark=any_of(CONFIG.benchmarks),
    seed=r"\d+",
    stage=r"\d+",
    shard=r"\d+",
    slug=re.sub(r"\?P<\w+>", "?:", SLUG),  # angle brackets are path variables to Snakemake


def settings(*parts):
    """Hash of config values, so that a rule reruns when they change and only then; kept for `vr1repro why-rerun`."""
    values = [
        part.model_dump(mode="json", exclude=WITHOUT_EFFECT) if hasattr(part, "model_dump") else part for part in parts
    ]
    sha = json_sha(values)[:16]
    keep_table("settings", sha, lambda: values)
    return sha


def code(job, *by_name):
    """Hash of a job's code and of the modules that it loads by name, kept by module for `vr1repro why-rerun`."""
    modules = (f"vr1repro.jobs.{job}", *by_name)
    sha = code_hash(*modules)
    keep_table("code", sha, lambda: module_hashes(*modules))
    return sha


def keep_table(kind, sha, table):
    """Keep what a hash stands for."""
    known = Path(ROOT) / kind / f"{sha}.json"
    if not known.exists():
        write_atomically(known, json.dumps(table(), indent=1) + "\n")


def modules_of(function, slugs):
    """Modules of several benchmarks."""
    return [module for slug in slugs for module in function(slug)]


def of_start(wildcards):
    """The config as a start's fine-tuning sees it."""
    return CONFIG.of_start(wildcards.start)


def of_arm(wildcards):
    """The config as the stages of an arm see it."""
    return CONFIG.of_arm(wildcards.arm)


def of_slug(wildcards):
    """The config as the evaluation of a checkpoint sees it."""
    return CONFIG.of_arm(PLAN.checkpoint(wildcards.slug).arm)


def benchmarks_of(wildcards):
    """What a checkpoint is evaluated on."""
    return PLAN.benchmarks(PLAN.checkpoint(wildcards.slug))


def needs(kind, placed=None):
    """Resources of a kind of job. Run time grows with the attempt, and memory where the job does not fill a GPU node.

    `placed` gives the config as the job's model sees it. A training that is over several nodes for one of the run's models
    is asked for by nodes for all of them.
    """
    need = getattr(CONFIG.resources, kind)
    found = {
        "mem_mb": lambda wildcards, attempt: need.mem_mb if need.gpu else need.mem_mb * attempt,
        "runtime": lambda wildcards, attempt: need.runtime * attempt,
    }
    if all(launch.nodes == 1 for launch in CONFIG.launches(kind)):
        gpus = (lambda wildcards: getattr(placed(wildcards).resources, kind).gpu) if placed else need.gpu
        return {"gpu": gpus, **found}

    def nodes(wildcards):
        return getattr(placed(wildcards), kind).launch.nodes

    def cores(wildcards):
        return need.threads * getattr(placed(wildcards), kind).launch.processes

    # One task a node starts that node's processes. GPUs are asked for by node: a total could be spread unevenly.
    gpus = {"gres": f"gpu:{need.gpu}"} if need.gpu else {}
    return {"mpi": "srun", "nodes": nodes, "tasks": nodes, "tasks_per_gpu": 0, "cpus_per_task": cores, **gpus, **found}


def starting(kind, placed):
    """What starts a training command, by the model's config."""
    return lambda wildcards: launcher(getattr(placed(wildcards), kind).launch, getattr(CONFIG.resources, kind))


def problem_sets(names):
    return [f"{ROOT}/problems/{name}/{CONTENT}" for name in names]


def reading_modules(name):
    """What reads the rows of a problem set: nothing where it is generated, for a benchmark only its job of sampling."""
    source = None if name in CONFIG.benchmarks else CONFIG.problems[name]
    return adapter_modules(source.adapter) if isinstance(source, ProblemSource) else []


def question_modules(slug):
    """What makes prompts of a benchmark's rows; a config may name another adapter than the benchmark's."""
    adapter = getattr(CONFIG.benchmarks[slug], "adapter", AUTO)
    return [*sampling_modules(slug), *(adapter_modules(adapter) if adapter != AUTO else [])]


def stage_of(wildcards):
    return CONFIG.arms[wildcards.arm].stages[int(wildcards.stage) - 1]


def start_settings(wildcards):
    """What a start's fine-tuning reruns on."""
    return settings(of_start(wildcards).sft, CONFIG.starts[wildcards.start], CONFIG.resources.sft.threads)


def stage_settings(wildcards):
    """What a stage reruns on."""
    return settings(
        of_arm(wildcards).rl,
        stage_of(wildcards),
        CONFIG.rewards[CONFIG.arms[wildcards.arm].reward],
        CONFIG.arms[wildcards.arm].system_prompt,
        saved_steps(wildcards),
        CONFIG.resources.rl.threads,
    )


def support(name):
    """What of another engine was run here; its rule says it."""
    return f"{ENGINES[name].title} {ENGINES[name].version}: {ENGINES[name].support}"


def adopted(source, wildcards):
    """The file that closes what a start or stage is adopted from."""
    return f"{source.adopted.replace('{seed}', wildcards.seed)}/{CONTENT}"


def saved_steps(wildcards):
    arm, stage = wildcards.arm, int(wildcards.stage)
    return [*PLAN.kept_steps(arm, stage), *PLAN.passing_steps(arm, stage)]


def stage_input(wildcards):
    """The closing file of what a stage starts from: the stage before it, or the arm's start."""
    arm, before, seed = wildcards.arm, int(wildcards.stage) - 1, int(wildcards.seed)
    if before == 0:
        return str(PLAN.start_closed(CONFIG.arms[arm].start, seed))
    return str(PLAN.stage_dir(arm, before, seed) / CONTENT)


def evaluation_priority(wildcards):
    """Candidates before trainings, for their weights go then; next starts: their long replies would keep a core waiting."""
    model = PLAN.checkpoint(wildcards.slug)
    return 20 if model.passing else 0 if CONFIG.arms[model.arm].stages else 5


def of_benchmark(wildcards):
    """Plan, checkpoint and benchmark of a job of grading."""
    return PLAN, PLAN.checkpoint(wildcards.slug), wildcards.benchmark


def extracted(wildcards):
    """What closes the LLM's extractions, where a profile reads them."""
    needed = llm_stages.extracted(*of_benchmark(wildcards))
    return [f"{ROOT}/eval/{wildcards.slug}/{wildcards.benchmark}/extracted.json"] if needed else []


def judged(wildcards):
    """What closes the LLM's judgements, where a profile reads them."""
    needed = llm_stages.judged(*of_benchmark(wildcards))
    return [f"{ROOT}/eval/{wildcards.slug}/{wildcards.benchmark}/judged.json"] if needed else []


def grader_closed():
    """The file that says that the model which extracts and judges is complete, where it is served here."""
    name = PLAN.grader_model()
    return [] if name is None else [str(PLAN.model(name) / CONTENT)]


def grader_values():
    """What an LLM's replies depend on."""
    without = {"profiles": True, "accept_unanswered": True, "llm": {"prices"}}
    return CONFIG.graders and CONFIG.graders.model_dump(mode="json", exclude=without)


def llm_modules(slug):
    """What an LLM's stages load by name."""
    return [*extraction_modules(slug), *(grader_modules(CONFIG.graders) if CONFIG.graders else [])]


def verdict_files(arms):
    return [
        f"{ROOT}/eval/{model.slug}/{benchmark}/verdicts.json"
        for model in uses.evaluated(PLAN, arms)
        for benchmark in PLAN.benchmarks(model)
    ]


def candidate_verdicts(wildcards):
    """What an arm's best checkpoint is chosen by."""
    return [
        f"{ROOT}/eval/{model.slug}/{benchmark}/verdicts.json"
        for model in PLAN.candidate_checkpoints(wildcards.arm, int(wildcards.seed))
        for benchmark in CONFIG.selection.benchmarks
    ]


def selections(arms):
    return [str(PLAN.selected(arm, seed)) for arm, seed in uses.selections(PLAN, arms)]


def length_files(arms):
    return [f"{ROOT}/lengths/{model.slug}/responses.json" for model in uses.lengths(PLAN, arms)]


def sft_runs(arms):
    return [str(PLAN.sft_dir(start, seed) / CONTENT) for start, seed in uses.sft_runs(PLAN, arms)]


def rl_stages(arms):
    return [str(PLAN.stage_dir(arm, stage, seed) / CONTENT) for arm, stage, seed in uses.rl_runs(PLAN, arms)]

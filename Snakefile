# The whole paper as one workflow. Without --configfile it runs at micro scale: no download, no GPU.
from snakemake.utils import min_version

min_version("9.19")

# `configfile:` would be merged under a --configfile, so the default is read only where none was given.
if not workflow.config_settings.configfiles:

    configfile: Path(workflow.basedir) / "config/micro.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/problems.smk"
include: "workflow/rules/coldset.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/elsewhere.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/reporting.smk"
include: "workflow/rules/collect.smk"
include: "workflow/rules/start.smk"


report: "workflow/report/workflow.rst"


# Used with --sdm apptainer only; envs/apptainer.def says how it is built.
container: "envs/vr1repro.sif"


rule all:
    default_target: True
    input:
        rules.make_report.output.pages,
        # Named here too, so that a training whose closing file a refusal took away is planned again.
        sft_runs(CONFIG.run_arms),
        rl_stages(CONFIG.run_arms),


onstart:
    # One head a folder, jobs of a dead one are named, and an outage of Slurm's controller is waited out (docs/cluster.md).
    begin_run(workflow)

# Cold-start initialisation and GRPO stages. A stage starts from the checkpoint that the stage before it wrote. What later
# stages wait for goes before evaluations (priority). Only the closing file is an output: Snakemake removes outputs before a
# job, and a finished training must survive until the job has decided whether it may be made again (`guard_finished`).
# Where a start or stage says `engine` or `adopted`, it has a rule of its own (elsewhere.smk).


rule train_sft:
    input:
        model=lambda wildcards: str(PLAN.model(CONFIG.starts[wildcards.start].model) / CONTENT),
        coldset=str(PLAN.coldset() / CONTENT),
    output:
        closed=f"{ROOT}/train/{{start}}/s{{seed}}/sft/{CONTENT}",
    log:
        f"{ROOT}/logs/train/{{start}}/s{{seed}}/sft.log",
    benchmark:
        f"{ROOT}/benchmarks/train/{{start}}/s{{seed}}/sft.jsonl"
    wildcard_constraints:
        start=any_of(name for name in CONFIG.starts if not CONFIG.starts[name].elsewhere),
    priority: 10
    conda:
        TRAINING_ENV
    threads: CONFIG.resources.sft.threads
    resources:
        **needs("sft", of_start),
    params:
        launcher=starting("sft", of_start),
        config=RESOLVED,
        out=subpath(output.closed, parent=True),
        code=code("sft"),
        settings=start_settings,
    shell:
        "{params.launcher} stage sft --config {params.config} --start {wildcards.start} --seed {wildcards.seed}"
        " --out {params.out} > {log} 2>&1"


rule train_rl_stage:
    input:
        model=lambda wildcards: stage_input(wildcards),
        start=lambda wildcards: str(PLAN.start_closed(CONFIG.arms[wildcards.arm].start, int(wildcards.seed))),
        problems=lambda wildcards: problem_sets([stage_of(wildcards).problems or CONFIG.rl.problems]),
    output:
        closed=f"{ROOT}/train/{{arm}}/s{{seed}}/stage{{stage}}/{CONTENT}",
    log:
        f"{ROOT}/logs/train/{{arm}}/s{{seed}}/stage{{stage}}.log",
    benchmark:
        f"{ROOT}/benchmarks/train/{{arm}}/s{{seed}}/stage{{stage}}.jsonl"
    wildcard_constraints:
        arm=of_stages(own_stages()),
    priority: 10
    conda:
        TRAINING_ENV
    threads: CONFIG.resources.rl.threads
    resources:
        **needs("rl", of_arm),
    params:
        launcher=starting("rl", of_arm),
        config=RESOLVED,
        out=subpath(output.closed, parent=True),
        code=code("rl"),
        settings=stage_settings,
    shell:
        "{params.launcher} stage rl --config {params.config} --arm {wildcards.arm} --stage {wildcards.stage}"
        " --seed {wildcards.seed} --out {params.out} > {log} 2>&1"

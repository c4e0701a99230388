# Starts and stages that say `engine` or `adopted`: another engine of the field trains them, or has (docs/engines.md). Their
# folders are those of our own training, so no other rule knows who trained. An engine has an environment of its own, which
# its job finds. LLaMA-Factory's rule is executed by a test; verl's and EasyR1's are validated, never trained, and say so.


rule train_start_elsewhere:
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
        start=any_of(PLAN.starts_elsewhere("engine")),
    priority: 10
    conda:
        TRAINING_ENV
    threads: CONFIG.resources.sft.threads
    resources:
        **needs("sft", of_start),
    params:
        support=lambda wildcards: support(CONFIG.starts[wildcards.start].engine),
        config=RESOLVED,
        out=subpath(output.closed, parent=True),
        code=code("elsewhere"),
        settings=start_settings,
    message:
        "{params.support}: {output.closed}"
    shell:
        "vr1repro stage elsewhere --config {params.config} --start {wildcards.start} --seed {wildcards.seed}"
        " --out {params.out} > {log} 2>&1"


rule train_stage_elsewhere:
    input:
        model=lambda wildcards: stage_input(wildcards),
        problems=lambda wildcards: problem_sets([stage_of(wildcards).problems or CONFIG.rl.problems]),
    output:
        closed=f"{ROOT}/train/{{arm}}/s{{seed}}/stage{{stage}}/{CONTENT}",
    log:
        f"{ROOT}/logs/train/{{arm}}/s{{seed}}/stage{{stage}}.log",
    benchmark:
        f"{ROOT}/benchmarks/train/{{arm}}/s{{seed}}/stage{{stage}}.jsonl"
    wildcard_constraints:
        arm=of_stages(PLAN.stages_elsewhere("engine")),
    priority: 10
    conda:
        TRAINING_ENV
    threads: CONFIG.resources.rl.threads
    resources:
        **needs("rl", of_arm),
    params:
        support=lambda wildcards: support(stage_of(wildcards).engine),
        config=RESOLVED,
        out=subpath(output.closed, parent=True),
        code=code("elsewhere"),
        settings=stage_settings,
    message:
        "{params.support}: {output.closed}"
    shell:
        "vr1repro stage elsewhere --config {params.config} --arm {wildcards.arm} --stage {wildcards.stage}"
        " --seed {wildcards.seed} --out {params.out} > {log} 2>&1"


rule adopt_start:
    input:
        model=lambda wildcards: str(PLAN.model(CONFIG.starts[wildcards.start].model) / CONTENT),
        coldset=str(PLAN.coldset() / CONTENT),
        adopted=lambda wildcards: adopted(CONFIG.starts[wildcards.start], wildcards),
    output:
        closed=f"{ROOT}/train/{{start}}/s{{seed}}/sft/{CONTENT}",
    log:
        f"{ROOT}/logs/train/{{start}}/s{{seed}}/sft.log",
    benchmark:
        f"{ROOT}/benchmarks/train/{{start}}/s{{seed}}/sft.jsonl"
    wildcard_constraints:
        start=any_of(PLAN.starts_elsewhere("adopted")),
    conda:
        TRAINING_ENV
    resources:
        **needs("prepare"),
    params:
        config=RESOLVED,
        out=subpath(output.closed, parent=True),
        code=code("elsewhere"),
        settings=start_settings,
    shell:
        "vr1repro stage elsewhere --config {params.config} --start {wildcards.start} --seed {wildcards.seed}"
        " --out {params.out} > {log} 2>&1"


rule adopt_stage:
    input:
        model=lambda wildcards: stage_input(wildcards),
        problems=lambda wildcards: problem_sets([stage_of(wildcards).problems or CONFIG.rl.problems]),
        adopted=lambda wildcards: adopted(stage_of(wildcards), wildcards),
    output:
        closed=f"{ROOT}/train/{{arm}}/s{{seed}}/stage{{stage}}/{CONTENT}",
    log:
        f"{ROOT}/logs/train/{{arm}}/s{{seed}}/stage{{stage}}.log",
    benchmark:
        f"{ROOT}/benchmarks/train/{{arm}}/s{{seed}}/stage{{stage}}.jsonl"
    wildcard_constraints:
        arm=of_stages(PLAN.stages_elsewhere("adopted")),
    conda:
        TRAINING_ENV
    resources:
        **needs("prepare"),
    params:
        config=RESOLVED,
        out=subpath(output.closed, parent=True),
        code=code("elsewhere"),
        settings=stage_settings,
    shell:
        "vr1repro stage elsewhere --config {params.config} --arm {wildcards.arm} --stage {wildcards.stage}"
        " --seed {wildcards.seed} --out {params.out} > {log} 2>&1"

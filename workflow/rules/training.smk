# Cold-start initialisation and GRPO stages. A stage starts from the checkpoint that the stage before it wrote. What later
# stages wait for goes before evaluations (priority).


rule train_sft:
    input:
        model=lambda wildcards: str(PLAN.model(CONFIG.starts[wildcards.start].model) / "manifest.json"),
        coldset=str(PLAN.coldset() / "manifest.json"),
    output:
        manifest=f"{ROOT}/train/{{start}}/s{{seed}}/sft/manifest.json",
        steps=f"{ROOT}/train/{{start}}/s{{seed}}/sft/steps.jsonl",
    log:
        f"{ROOT}/logs/train/{{start}}/s{{seed}}/sft.log",
    benchmark:
        f"{ROOT}/benchmarks/train/{{start}}/s{{seed}}/sft.jsonl"
    priority: 10
    conda:
        TRAINING_ENV
    threads: CONFIG.resources.sft.threads
    resources:
        **needs("sft", CONFIG.sft.launch),
    params:
        launcher=launcher("sft", CONFIG.sft.launch),
        config=RESOLVED,
        out=subpath(output.manifest, parent=True),
        code=code_hash("vr1repro.training.sft"),
        settings=lambda wildcards: settings(CONFIG.sft, CONFIG.starts[wildcards.start], CONFIG.resources.sft.threads),
    shell:
        "{params.launcher} stage sft --config {params.config} --start {wildcards.start} --seed {wildcards.seed}"
        " --out {params.out} > {log} 2>&1"


rule train_rl_stage:
    input:
        model=lambda wildcards: stage_input(wildcards),
        start=lambda wildcards: str(PLAN.start_manifest(CONFIG.arms[wildcards.arm].start, int(wildcards.seed))),
        problems=lambda wildcards: problem_manifests([stage_of(wildcards).problems or CONFIG.rl.problems]),
    output:
        manifest=f"{ROOT}/train/{{arm}}/s{{seed}}/stage{{stage}}/manifest.json",
        steps=f"{ROOT}/train/{{arm}}/s{{seed}}/stage{{stage}}/steps.jsonl",
    log:
        f"{ROOT}/logs/train/{{arm}}/s{{seed}}/stage{{stage}}.log",
    benchmark:
        f"{ROOT}/benchmarks/train/{{arm}}/s{{seed}}/stage{{stage}}.jsonl"
    priority: 10
    conda:
        TRAINING_ENV
    threads: CONFIG.resources.rl.threads
    resources:
        **needs("rl", CONFIG.rl.launch),
    params:
        launcher=launcher("rl", CONFIG.rl.launch),
        config=RESOLVED,
        out=subpath(output.manifest, parent=True),
        code=code_hash("vr1repro.training.grpo"),
        settings=lambda wildcards: settings(
            CONFIG.rl,
            stage_of(wildcards),
            CONFIG.rewards[CONFIG.arms[wildcards.arm].reward],
            CONFIG.arms[wildcards.arm].system_prompt,
            PLAN.kept_steps(wildcards.arm, int(wildcards.stage)),
            CONFIG.resources.rl.threads,
        ),
    shell:
        "{params.launcher} stage rl --config {params.config} --arm {wildcards.arm} --stage {wildcards.stage}"
        " --seed {wildcards.seed} --out {params.out} > {log} 2>&1"

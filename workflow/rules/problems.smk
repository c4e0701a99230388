# Base models and problem sets: fetched, linked, or made by the lab.


rule make_problems:
    output:
        closed=f"{ROOT}/problems/{{set}}/{CONTENT}",
        manifest=f"{ROOT}/problems/{{set}}/manifest.json",
    log:
        f"{ROOT}/logs/problems/{{set}}.log",
    benchmark:
        f"{ROOT}/benchmarks/problems/{{set}}.jsonl"
    conda:
        TRAINING_ENV
    threads: 1
    resources:
        **needs("prepare"),
    params:
        config=RESOLVED,
        out=subpath(output.manifest, parent=True),
        code=lambda wildcards: code("problems", *reading_modules(wildcards.set)),
        settings=lambda wildcards: settings(
            {**CONFIG.problems, **CONFIG.benchmarks}[wildcards.set], CONFIG.lab and CONFIG.lab.world, CONFIG.seeds.data
        ),
    shell:
        "vr1repro stage problems --config {params.config} --name {wildcards.set} --out {params.out} > {log} 2>&1"


rule pretrain_lab_model:
    output:
        closed=f"{ROOT}/models/{{model}}/{CONTENT}",
        manifest=f"{ROOT}/models/{{model}}/manifest.json",
        reading=f"{ROOT}/models/{{model}}/reading.json",
    log:
        f"{ROOT}/logs/models/{{model}}.log",
    benchmark:
        f"{ROOT}/benchmarks/models/{{model}}.jsonl"
    wildcard_constraints:
        model=any_of(name for name, source in PLAN.model_sources().items() if source.kind == "lab"),
    conda:
        TRAINING_ENV
    threads: CONFIG.resources.prepare.threads
    resources:
        **needs("prepare"),
    params:
        config=RESOLVED,
        out=subpath(output.manifest, parent=True),
        code=code("lab_model"),
        settings=settings(CONFIG.lab, CONFIG.seeds.data, CONFIG.resources.prepare.threads),
    shell:
        "vr1repro stage lab-model --config {params.config} --out {params.out} > {log} 2>&1"


rule fetch_model:
    output:
        closed=f"{ROOT}/models/{{model}}/{CONTENT}",
    log:
        f"{ROOT}/logs/models/{{model}}.log",
    benchmark:
        f"{ROOT}/benchmarks/models/{{model}}.jsonl"
    wildcard_constraints:
        model=any_of(name for name, source in PLAN.model_sources().items() if source.kind != "lab"),
    retries: 2
    conda:
        TRAINING_ENV
    resources:
        **needs("prepare"),
    params:
        config=RESOLVED,
        out=subpath(output.closed, parent=True),
        code=code("fetch_model"),
        settings=lambda wildcards: settings(PLAN.model_sources()[wildcards.model]),
    shell:
        "vr1repro stage fetch-model --config {params.config} --name {wildcards.model} --out {params.out} > {log} 2>&1"

# Modality Bridging in shards, then filter, polish and export; or the released set.


rule bridge_shard:
    input:
        problems=problem_sets(CONFIG.coldset.sources),
        models=[str(PLAN.model(name) / CONTENT) for name in PLAN.coldset_models()],
    output:
        drafts=f"{ROOT}/coldset/shards/{{shard}}/drafts.jsonl",
        closed=f"{ROOT}/coldset/shards/{{shard}}/{CONTENT}",
    log:
        f"{ROOT}/logs/coldset/bridge-{{shard}}.log",
    benchmark:
        f"{ROOT}/benchmarks/coldset/bridge-{{shard}}.jsonl"
    priority: 20
    conda:
        TRAINING_ENV
    threads: CONFIG.resources.bridge.threads
    resources:
        **needs("bridge"),
    params:
        config=RESOLVED,
        out=subpath(output.drafts, parent=True),
        code=code("bridge", *bridge_modules(CONFIG.coldset)),
        settings=settings(CONFIG.coldset, CONFIG.lab and CONFIG.lab.teacher, CONFIG.seeds.data),
    shell:
        "vr1repro stage bridge --config {params.config} --shard {wildcards.shard} --out {params.out} > {log} 2>&1"


rule build_coldset:
    input:
        problems=problem_sets(CONFIG.coldset.sources),
        shards=expand(f"{ROOT}/coldset/shards/{{shard}}/{CONTENT}", shard=range(SHARDS)),
        overlap=[str(PLAN.overlap() / CONTENT)] if CONFIG.coldset.overlap.drop else [],
    output:
        closed=f"{ROOT}/coldset/{CONTENT}",
        manifest=f"{ROOT}/coldset/manifest.json",
        coldset=f"{ROOT}/coldset/coldset.parquet",
        traces=f"{ROOT}/coldset/traces.jsonl",
        yields=f"{ROOT}/coldset/yield.json",
    log:
        f"{ROOT}/logs/coldset/merge.log",
    benchmark:
        f"{ROOT}/benchmarks/coldset/merge.jsonl"
    conda:
        TRAINING_ENV
    threads: CONFIG.resources.report.threads
    resources:
        **needs("report"),
    params:
        config=RESOLVED,
        out=subpath(output.manifest, parent=True),
        code=code("coldset"),
        settings=settings(CONFIG.coldset),
        overlap=f"--overlap {PLAN.overlap()}" if CONFIG.coldset.overlap.drop else "",
        drafts=expand(f"{ROOT}/coldset/shards/{{shard}}/drafts.jsonl", shard=range(SHARDS)),
    shell:
        "vr1repro stage coldset --config {params.config} --out {params.out} {params.overlap} {params.drafts} > {log} 2>&1"


rule overlap:
    input:
        problems=problem_sets(PLAN.training_problems()),
        benchmarks=problem_sets(CONFIG.benchmarks),
    output:
        closed=f"{ROOT}/overlap/{CONTENT}",
        pairs=f"{ROOT}/overlap/pairs.jsonl",
        table=f"{ROOT}/overlap/overlap.json",
        text=f"{ROOT}/overlap/overlap.md",
    log:
        f"{ROOT}/logs/coldset/overlap.log",
    benchmark:
        f"{ROOT}/benchmarks/coldset/overlap.jsonl"
    conda:
        TRAINING_ENV
    threads: CONFIG.resources.report.threads
    resources:
        **needs("report"),
    params:
        config=RESOLVED,
        out=subpath(output.pairs, parent=True),
        code=code("overlap", *modules_of(question_modules, CONFIG.benchmarks)),
        settings=settings(CONFIG.coldset.overlap),
    shell:
        "vr1repro stage overlap --config {params.config} --out {params.out} > {log} 2>&1"


rule fetch_coldset:
    output:
        closed=f"{ROOT}/released/coldset/{CONTENT}",
        manifest=f"{ROOT}/released/coldset/manifest.json",
        coldset=f"{ROOT}/released/coldset/coldset.parquet",
    log:
        f"{ROOT}/logs/coldset/released.log",
    benchmark:
        f"{ROOT}/benchmarks/coldset/released.jsonl"
    retries: 2
    conda:
        TRAINING_ENV
    resources:
        **needs("prepare"),
    params:
        config=RESOLVED,
        out=subpath(output.manifest, parent=True),
        code=code("released_coldset", *modules_of(adapter_modules, released.ADAPTERS)),
        settings=settings(CONFIG.coldset.released or {}),
    shell:
        "vr1repro stage released-coldset --config {params.config} --out {params.out} > {log} 2>&1"

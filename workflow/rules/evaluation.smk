# One job a checkpoint samples: the model is loaded once for all benchmarks and seeds. Grading needs no model: one job a
# checkpoint and benchmark, so that a scorer's edit grades its own benchmark alone.


rule evaluate_checkpoint:
    input:
        model=lambda wildcards: str(PLAN.checkpoint_closed(PLAN.checkpoint(wildcards.slug))),
        problems=lambda wildcards: problem_sets(PLAN.benchmarks(PLAN.checkpoint(wildcards.slug).arm)),
    output:
        summary=f"{ROOT}/eval/{{slug}}/responses.json",
    log:
        f"{ROOT}/logs/eval/{{slug}}.log",
    benchmark:
        f"{ROOT}/benchmarks/eval/{{slug}}.jsonl"
    priority: evaluation_priority
    conda:
        TRAINING_ENV
    threads: CONFIG.resources.evaluate.threads
    resources:
        **needs("evaluate", of_slug),
    params:
        config=RESOLVED,
        out=subpath(output.summary, parent=True),
        code=lambda wildcards: code(
            "evaluate",
            *engine_modules(of_slug(wildcards).evaluation.engine),
            *modules_of(question_modules, PLAN.benchmarks(PLAN.checkpoint(wildcards.slug).arm)),
        ),
        settings=lambda wildcards: settings(
            of_slug(wildcards).evaluation,
            PLAN.evaluation_seeds(PLAN.checkpoint(wildcards.slug)),
            CONFIG.resources.evaluate.threads,
        ),
    shell:
        "vr1repro stage evaluate --config {params.config} --checkpoint {wildcards.slug} --out {params.out}"
        " > {log} 2>&1"


rule grade_benchmark:
    input:
        responses=rules.evaluate_checkpoint.output.summary,
        problems=lambda wildcards: problem_sets([wildcards.benchmark]),
    output:
        summary=f"{ROOT}/eval/{{slug}}/{{benchmark}}/verdicts.json",
    log:
        f"{ROOT}/logs/eval/{{slug}}.{{benchmark}}.grade.log",
    benchmark:
        f"{ROOT}/benchmarks/eval/{{slug}}.{{benchmark}}.grade.jsonl"
    conda:
        REPORT_ENV
    threads: CONFIG.resources.report.threads
    resources:
        **needs("report"),
    params:
        config=RESOLVED,
        out=subpath(output.summary, parent=True),
        code=lambda wildcards: code("grade", *scoring_modules(wildcards.benchmark)),
        settings=settings(PROFILE),
    shell:
        "vr1repro stage grade --config {params.config} --checkpoint {wildcards.slug} --benchmark {wildcards.benchmark}"
        " --out {params.out} > {log} 2>&1"

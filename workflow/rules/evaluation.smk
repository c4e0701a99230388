# One job a checkpoint: the model is loaded once for all benchmarks and seeds. Grading needs no model.


rule evaluate_checkpoint:
    input:
        model=lambda wildcards: str(PLAN.checkpoint_manifest(PLAN.checkpoint(wildcards.slug))),
        problems=lambda wildcards: problem_manifests(PLAN.benchmarks(PLAN.checkpoint(wildcards.slug).arm)),
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
        **needs("evaluate"),
    params:
        config=RESOLVED,
        out=subpath(output.summary, parent=True),
        code=code_hash("vr1repro.evaluation.run"),
        settings=settings(CONFIG.evaluation, EVAL_SEEDS, CONFIG.resources.evaluate.threads),
    shell:
        "vr1repro stage evaluate --config {params.config} --checkpoint {wildcards.slug} --out {params.out}"
        " > {log} 2>&1"


rule grade_checkpoint:
    input:
        responses=rules.evaluate_checkpoint.output.summary,
        problems=rules.evaluate_checkpoint.input.problems,
    output:
        summary=f"{ROOT}/eval/{{slug}}/verdicts.json",
    log:
        f"{ROOT}/logs/eval/{{slug}}.grade.log",
    benchmark:
        f"{ROOT}/benchmarks/eval/{{slug}}.grade.jsonl"
    conda:
        REPORT_ENV
    threads: CONFIG.resources.report.threads
    resources:
        **needs("report"),
    params:
        config=RESOLVED,
        out=subpath(output.summary, parent=True),
        code=code_hash("vr1repro.evaluation.grading"),
        settings=settings(PROFILE),
    shell:
        "vr1repro stage grade --config {params.config} --checkpoint {wildcards.slug} --out {params.out}" " > {log} 2>&1"

# One job a checkpoint samples: the model is loaded once for all benchmarks and seeds. Where a benchmark's scorers ask an
# LLM, it extracts, and then judges, in jobs of their own, and its replies are kept by request. Grading needs no model: one
# job a checkpoint and benchmark, so that a scorer's edit grades its own benchmark alone and asks nobody. Where an arm is
# the best of its last checkpoints, one job chooses, and deletes the weights that were there to be chosen among alone.


rule evaluate_checkpoint:
    input:
        model=lambda wildcards: str(PLAN.checkpoint_closed(PLAN.checkpoint(wildcards.slug))),
        problems=lambda wildcards: problem_sets(benchmarks_of(wildcards)),
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
            *modules_of(question_modules, benchmarks_of(wildcards)),
        ),
        settings=lambda wildcards: settings(
            PLAN.evaluation(PLAN.checkpoint(wildcards.slug)),
            PLAN.evaluation_seeds(PLAN.checkpoint(wildcards.slug)),
            CONFIG.resources.evaluate.threads,
        ),
    shell:
        "vr1repro stage evaluate --config {params.config} --checkpoint {wildcards.slug} --out {params.out}"
        " > {log} 2>&1"


rule extract_answers:
    input:
        responses=rules.evaluate_checkpoint.output.summary,
        problems=lambda wildcards: problem_sets([wildcards.benchmark]),
        llm=grader_closed(),
    output:
        summary=f"{ROOT}/eval/{{slug}}/{{benchmark}}/extracted.json",
    log:
        f"{ROOT}/logs/eval/{{slug}}.{{benchmark}}.extract.log",
    benchmark:
        f"{ROOT}/benchmarks/eval/{{slug}}.{{benchmark}}.extract.jsonl"
    priority: evaluation_priority
    conda:
        TRAINING_ENV
    threads: CONFIG.resources.graders.threads
    resources:
        **needs("graders"),
    params:
        config=RESOLVED,
        out=subpath(output.summary, parent=True),
        code=lambda wildcards: code("extract", *llm_modules(wildcards.benchmark)),
        settings=settings(grader_values()),
    shell:
        "vr1repro stage extract --config {params.config} --checkpoint {wildcards.slug}"
        " --benchmark {wildcards.benchmark} --out {params.out} > {log} 2>&1"


rule judge_answers:
    input:
        responses=rules.evaluate_checkpoint.output.summary,
        extractions=extracted,
        problems=lambda wildcards: problem_sets([wildcards.benchmark]),
        llm=grader_closed(),
    output:
        summary=f"{ROOT}/eval/{{slug}}/{{benchmark}}/judged.json",
    log:
        f"{ROOT}/logs/eval/{{slug}}.{{benchmark}}.judge.log",
    benchmark:
        f"{ROOT}/benchmarks/eval/{{slug}}.{{benchmark}}.judge.jsonl"
    priority: evaluation_priority
    conda:
        TRAINING_ENV
    threads: CONFIG.resources.graders.threads
    resources:
        **needs("graders"),
    params:
        config=RESOLVED,
        out=subpath(output.summary, parent=True),
        code=lambda wildcards: code("judge", *llm_modules(wildcards.benchmark)),
        settings=lambda wildcards: settings(grader_values(), llm_stages.judged(*of_benchmark(wildcards))),
    shell:
        "vr1repro stage judge --config {params.config} --checkpoint {wildcards.slug}"
        " --benchmark {wildcards.benchmark} --out {params.out} > {log} 2>&1"


rule grade_benchmark:
    input:
        responses=rules.evaluate_checkpoint.output.summary,
        extractions=extracted,
        judgements=judged,
        problems=lambda wildcards: problem_sets([wildcards.benchmark]),
    output:
        summary=f"{ROOT}/eval/{{slug}}/{{benchmark}}/verdicts.json",
    log:
        f"{ROOT}/logs/eval/{{slug}}.{{benchmark}}.grade.log",
    benchmark:
        f"{ROOT}/benchmarks/eval/{{slug}}.{{benchmark}}.grade.jsonl"
    priority: evaluation_priority
    conda:
        REPORT_ENV
    threads: CONFIG.resources.report.threads
    resources:
        **needs("report"),
    params:
        config=RESOLVED,
        out=subpath(output.summary, parent=True),
        code=lambda wildcards: code("grade", *scoring_modules(wildcards.benchmark)),
        settings=lambda wildcards: settings(PLAN.llm_profiles(PLAN.checkpoint(wildcards.slug))),
    shell:
        "vr1repro stage grade --config {params.config} --checkpoint {wildcards.slug} --benchmark {wildcards.benchmark}"
        " --out {params.out} > {log} 2>&1"


rule select_checkpoint:
    input:
        verdicts=candidate_verdicts,
    output:
        selected=f"{ROOT}/eval/{{arm}}_s{{seed}}/selected.json",
    log:
        f"{ROOT}/logs/eval/{{arm}}_s{{seed}}.select.log",
    benchmark:
        f"{ROOT}/benchmarks/eval/{{arm}}_s{{seed}}.select.jsonl"
    priority: 20
    conda:
        REPORT_ENV
    threads: CONFIG.resources.report.threads
    resources:
        **needs("report"),
    params:
        config=RESOLVED,
        code=code("select"),
        settings=lambda wildcards: settings(CONFIG.selection, PROFILE, CONFIG.seeds.evaluation[:1]),
    shell:
        "vr1repro stage select --config {params.config} --arm {wildcards.arm} --seed {wildcards.seed}"
        " --out {output.selected} > {log} 2>&1"


rule sample_lengths:
    input:
        model=lambda wildcards: str(PLAN.checkpoint_closed(PLAN.checkpoint(wildcards.slug))),
        problems=lambda wildcards: problem_sets([CONFIG.rl.problems]),
    output:
        summary=f"{ROOT}/lengths/{{slug}}/responses.json",
    log:
        f"{ROOT}/logs/lengths/{{slug}}.log",
    benchmark:
        f"{ROOT}/benchmarks/lengths/{{slug}}.jsonl"
    conda:
        TRAINING_ENV
    threads: CONFIG.resources.evaluate.threads
    resources:
        **needs("evaluate", of_slug),
    params:
        config=RESOLVED,
        out=subpath(output.summary, parent=True),
        code=lambda wildcards: code("lengths", *engine_modules(of_slug(wildcards).evaluation.engine)),
        settings=lambda wildcards: settings(
            of_slug(wildcards).evaluation,
            CONFIG.lengths.problems,
            CONFIG.rl.problems,
            CONFIG.seeds.evaluation[:1],
            CONFIG.resources.evaluate.threads,
        ),
    shell:
        "vr1repro stage lengths --config {params.config} --checkpoint {wildcards.slug} --out {params.out}"
        " > {log} 2>&1"

# Tables, figures and the page, from verdicts and step logs alone: no torch.


rule make_tables:
    input:
        verdicts=verdict_files(CONFIG.run_arms),
        selections=selections(CONFIG.run_arms),
        lengths=length_files(CONFIG.run_arms),
        steps=rl_stages(CONFIG.run_arms),
        coldset=COLDSET,
    output:
        closed=f"{ROOT}/tables/{CONTENT}",
        manifest=f"{ROOT}/tables/manifest.json",
        main=report(
            f"{ROOT}/tables/t1.csv",
            caption="../report/tables.rst",
            category="Tables",
            labels={"table": "1, main"},
        ),
    log:
        f"{ROOT}/logs/tables.log",
    benchmark:
        f"{ROOT}/benchmarks/tables.jsonl"
    conda:
        REPORT_ENV
    threads: CONFIG.resources.report.threads
    resources:
        **needs("report"),
    params:
        config=RESOLVED,
        out=subpath(output.manifest, parent=True),
        code=code("tables", *facts_modules()),
        settings=settings(CONFIG.reporting, CONFIG.run_arms),
    shell:
        "vr1repro stage tables --config {params.config} --out {params.out} > {log} 2>&1"


rule draw_figures:
    input:
        verdicts=verdict_files(CONFIG.run_arms),
        selections=selections(CONFIG.run_arms),
        lengths=length_files(CONFIG.run_arms),
        steps=rl_stages(CONFIG.run_arms),
        coldset=COLDSET,
    output:
        closed=f"{ROOT}/figures/{CONTENT}",
        manifest=f"{ROOT}/figures/manifest.json",
        figure1=report(
            f"{ROOT}/figures/figure1.svg",
            caption="../report/figure1.rst",
            category="Figures",
            labels={"figure": "1"},
        ),
    log:
        f"{ROOT}/logs/figures.log",
    benchmark:
        f"{ROOT}/benchmarks/figures.jsonl"
    conda:
        REPORT_ENV
    threads: CONFIG.resources.report.threads
    resources:
        **needs("report"),
    params:
        config=RESOLVED,
        out=subpath(output.manifest, parent=True),
        code=code("figures", *facts_modules()),
        settings=settings(CONFIG.reporting, CONFIG.run_arms),
    shell:
        "vr1repro stage figures --config {params.config} --out {params.out} > {log} 2>&1"


rule make_report:
    input:
        tables=rules.make_tables.output.closed,
        figures=rules.draw_figures.output.closed,
    output:
        pages=directory(f"{ROOT}/report"),  # no report(): Snakemake's own report as one file takes no folders
    log:
        f"{ROOT}/logs/report.log",
    benchmark:
        f"{ROOT}/benchmarks/report.jsonl"
    conda:
        REPORT_ENV
    threads: CONFIG.resources.report.threads
    resources:
        **needs("report"),
    params:
        config=RESOLVED,
        code=code("report", *facts_modules()),
        looks=[folder_shas(PACKAGE / "reporting" / "page" / name) for name in ("templates", "assets")],
        settings=settings(CONFIG.reporting, CONFIG.run_arms),
    shell:
        "vr1repro stage report --config {params.config} --out {output.pages} > {log} 2>&1"

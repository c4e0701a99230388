# Named targets: `snakemake sft`, `snakemake figures`, and every arm of the config by its name (`snakemake zero-ptst`).


localrules:
    coldset,
    sft,
    rl,
    evaluate,
    tables,
    figures,
    report,


rule coldset:
    input:
        str(PLAN.coldset() / "manifest.json"),


rule sft:
    input:
        sft_manifests(CONFIG.run_arms),


rule rl:
    input:
        stage_manifests(CONFIG.run_arms),


rule evaluate:
    input:
        verdict_files(CONFIG.run_arms),


rule tables:
    input:
        rules.make_tables.output.manifest,


rule figures:
    input:
        rules.draw_figures.output.manifest,


rule report:
    input:
        rules.make_report.output.pages,


for name in CONFIG.arms:

    rule:
        name:
            name
        input:
            verdict_files([name]),
        localrule: True

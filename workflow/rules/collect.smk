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
        str(PLAN.coldset() / CONTENT),


rule sft:
    input:
        sft_runs(CONFIG.run_arms),


rule rl:
    input:
        rl_stages(CONFIG.run_arms),


rule evaluate:
    input:
        verdict_files(CONFIG.run_arms),
        selections(CONFIG.run_arms),
        length_files(CONFIG.run_arms),


rule tables:
    input:
        rules.make_tables.output.closed,


rule figures:
    input:
        rules.draw_figures.output.closed,


rule report:
    input:
        rules.make_report.output.pages,


for name in CONFIG.arms:

    rule:
        name:
            name
        input:
            verdict_files([name]),
            selections([name]),
            length_files([name]),
        localrule: True

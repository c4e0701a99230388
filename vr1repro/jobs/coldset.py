"""The cold-start set: filter, polish, export."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.config.plan import PROBLEMS
from vr1repro.core.provenance import content_sha, file_sha, write_manifest
from vr1repro.jobs.common import ConfigFile, Out, open_run


def run(
    config: ConfigFile,
    out: Out,
    drafts: list[Path],
    overlap: Annotated[
        Path | None, typer.Option(help="Folder of the overlap report, for `coldset.overlap.drop`.")
    ] = None,
) -> None:
    """Filter and polish the drafts of all shards, and export the cold-start set."""
    from vr1repro.coldset.ablation import compare
    from vr1repro.coldset.merge import merge, read_dropped
    from vr1repro.coldset.records import ABLATION
    from vr1repro.coldset.spending import write_costs
    from vr1repro.problems.overlap_files import PAIRS

    settings, plan = open_run(config)
    sources = {name: Path(plan.problems(name)) / PROBLEMS for name in settings.coldset.sources}
    workers = settings.resources.report.threads
    dropped = read_dropped(overlap / PAIRS) if overlap is not None and settings.coldset.overlap.drop else frozenset()
    report = merge(list(sources.values()), drafts, settings.coldset, out, workers, dropped)
    (out / ABLATION).unlink(missing_ok=True)
    if settings.coldset.ablated:
        timeout_s = settings.coldset.answer_timeout_s
        compared = compare([path.parent / ABLATION for path in drafts], out / ABLATION, workers, timeout_s)
        typer.echo(f"compared {compared} descriptions with and without Pseudo-CoT")
    costs = write_costs([path.parent for path in drafts], report["kept"], out / "cost.json")
    inputs = {name: file_sha(path) for name, path in sources.items()}
    inputs |= {name: content_sha(Path(plan.model(name))) for name in plan.coldset_models()}
    inputs |= {"overlap": file_sha(overlap / PAIRS)} if overlap is not None else {}
    facts = {"problems": report["problems"], "kept": report["kept"]}
    # Names alone: how often each answered is told by the telemetry, of which a kill may lose a row.
    if served := {step: sorted(counts) for step, counts in costs["served_models"].items()}:
        facts["served_models"] = served
    values = settings.coldset.model_dump(mode="json", exclude={"shards"})
    # The shards' jobs close their own files.
    write_manifest(out, "coldset", values, inputs, facts, telemetry=["cost.json"], apart=["shards"])
    typer.echo(f"kept {report['kept']} of {report['problems']}")

"""An estimate as text, and what its jobs will not get: time, or a partition's nodes, GPUs, cores, memory."""

import os
from collections.abc import Sequence

from vr1repro.cluster import slurm
from vr1repro.cluster.costs import Cost
from vr1repro.cluster.estimate import total
from vr1repro.scale.ranges import NOTHING, Range

ATTEMPTS = 3  # the slurm profile's `retries: 2`; run time grows with the attempt

HEAD = ("stage", "jobs", "GPUs a job", "h, longest job", "GPU-hours", "disk GB", "API cost")


def table(costs: Sequence[Cost]) -> list[str]:
    """The stages and their sum, a line each."""
    rows = [HEAD]
    for cost in (*costs, total(costs)):
        hours = _span(cost.hours or NOTHING, 1)
        rows.append((cost.name, str(cost.jobs), str(cost.gpus or "-"), hours, _span(cost.gpu_hours),
                     _span(cost.disk_gb), _span(cost.money)))  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def sources(costs: Sequence[Cost]) -> list[str]:
    """What the ranges rest on, a line each; what several rest on stands once."""
    return list(dict.fromkeys(f"{given.tag:10}  {given.text}" for cost in costs for given in cost.inputs))


def _span(bounds: Range | None, digits: int = 0) -> str:
    if bounds is None:
        return "unknown"
    if not bounds.high:
        return "-"
    low, high = (f"{value:,.{digits}f}" for value in bounds)
    return low if low == high else f"{low} - {high}"


def time_limits(costs: Sequence[Cost]) -> list[str]:
    """Stages whose longest job may outlast its run time; a further attempt goes on where the one before stopped."""
    lines = []
    for cost in costs:
        if cost.need is None or cost.hours is None:
            continue
        allowed = cost.need.runtime / 60
        if cost.hours.high > allowed:
            lines.append(
                f"{cost.name}: its longest job takes {cost.hours.low:.0f}-{cost.hours.high:.0f} h, resources allow"
                f" {allowed:.0f} h ({allowed * sum(range(1, ATTEMPTS + 1)):.0f} h over {ATTEMPTS} attempts, each going"
                " on where the one before stopped): raise `runtime`, or the number of GPUs"
            )
    return lines


def cluster_lacks(costs: Sequence[Cost]) -> list[str]:
    """What the partition that jobs go to ($SLURM_PARTITION, else the default) does not offer.

    Raises:
        UserError: Slurm does not answer.
    """
    known = slurm.partitions()
    partition = os.environ.get("SLURM_PARTITION")
    chosen = [part for part in known if (part.name == partition if partition else part.default)]
    if not chosen:
        named = f"partition {partition}" if partition else "default partition; set SLURM_PARTITION"
        return [f"no {named}; there are: {', '.join(part.name for part in known) or 'none'}"]
    return [line for cost in costs if cost.jobs for line in _lacks(cost, chosen[0])]


def _lacks(cost: Cost, part: slurm.Partition) -> list[str]:
    need = cost.need
    if need is None:
        return []
    limits = [
        (cost.nodes, part.nodes, "nodes"),
        (need.gpu, part.gpus, "GPUs a node"),
        (need.mem_mb, part.mem_mb, "MB of memory"),
        (need.threads * max(1, need.gpu if cost.nodes > 1 else 1), part.cpus, "cores"),
        (need.runtime, part.minutes if part.minutes is not None else need.runtime, "minutes"),
    ]
    return [
        f"{cost.name}: a job needs {needed} {unit}, partition {part.name} gives {offered}"
        for needed, offered, unit in limits
        if needed > offered
    ]

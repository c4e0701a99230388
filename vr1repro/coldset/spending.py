"""What the requests of all shards took: tries, tokens, time and money, and the same for one kept trace."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vr1repro.coldset.ledger import TELEMETRY, Call
from vr1repro.core.files import write_atomically
from vr1repro.core.jsonl import read


def write_costs(shards: Sequence[Path], kept: int, out: Path) -> dict[str, Any]:
    """Sum the shards' telemetry and write it as JSON. It differs from run to run, so no set's identity rests on it.

    Args:
        shards: The shards' folders.
        kept: Number of traces in the cold-start set.

    Returns:
        Its content: by step, over all, and for one kept trace; `served_models` has the models that endpoints said
        their replies were made by, `cost` is null where the config has no prices.
    """
    steps: defaultdict[str, Counter[str]] = defaultdict(Counter)
    failures: Counter[str] = Counter()
    served: defaultdict[str, Counter[str]] = defaultdict(Counter)
    costs: list[float] = []
    for folder in shards:
        path = folder / TELEMETRY
        for call in read(path, Call) if path.exists() else ():
            counts = steps[call.step]
            if call.what == "sent":
                counts["tries"] += 1
            elif call.what == "reply":
                counts["replies"] += 1
                counts["prompt_tokens"] += call.n_prompt_tokens or 0
                counts["completion_tokens"] += call.n_tokens or 0
                if call.served_model is not None:
                    served[call.step][call.served_model] += 1
                if call.cost is not None:
                    costs.append(call.cost)
            else:
                failures[call.what] += 1
    tokens = sum(counts["prompt_tokens"] + counts["completion_tokens"] for counts in steps.values())
    report = {
        "steps": {name: dict(counts) for name, counts in steps.items()},
        "failures": dict(sorted(failures.items())),
        "served_models": {name: dict(sorted(counts.items())) for name, counts in served.items()},
        "tokens": tokens,
        "tokens_per_kept": round(tokens / kept, 2) if kept else None,
        "cost": round(sum(costs), 6) if costs else None,
        "cost_per_kept": round(sum(costs) / kept, 8) if costs and kept else None,
    }
    write_atomically(out, json.dumps(report, indent=2) + "\n")
    return report

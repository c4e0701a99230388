"""ZeRO-3 over nodes that each keep the weights whole (hpZ): two nodes of two GPUs as four CPU processes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from in_process import finish
from test_sharded import rows, work

pytestmark = [pytest.mark.slow, pytest.mark.verify, pytest.mark.timeout(900)]


@pytest.mark.parametrize("updates", [1, 2])
def test_weights_kept_by_nodes_change_nothing(lab: SimpleNamespace, tmp_path: Path, updates: int) -> None:
    """Copies that an update left behind would show in the next passes, whose gathers stay within a node."""
    changes = {"updates_per_rollout": updates, "prompts_per_step": 4 * updates}
    logged = []
    for nodes, processes in ((1, 4), (2, 2)):
        backend: dict[str, Any] = {"zero_stage": 3, "nodes": nodes, "processes": processes, "hpz": True}
        out = tmp_path / f"{nodes}x{processes}"
        finish(work(lab, out, 4, backend, steps=3, changes=changes, limit=400), tmp_path / f"work-{nodes}", 4)
        logged.append((rows(out), (out / "step3" / "model.safetensors").read_bytes()))
    (alone, weights), (over_nodes, weights_over_nodes) = logged
    assert len({row["loss"] for row in alone}) == 3
    assert over_nodes == alone
    assert weights_over_nodes == weights

"""How the job that samples asks an arm's checkpoint."""

from pathlib import Path
from typing import Any

import pytest

from vr1repro.config.loader import load
from vr1repro.jobs import evaluate


@pytest.mark.parametrize(
    ("slug", "arm", "prompted", "protocols"),
    [
        ("zero_s1", "zero", True, ["single"]),
        ("vision-r1_s1", "vision-r1", False, ["single", "paper"]),
        ("base_s0", "base", False, ["single"]),
    ],
)
def test_an_arm_is_asked_under_its_own_prompt_and_protocols(
    repo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    slug: str,
    arm: str,
    prompted: bool,
    protocols: list[str],
) -> None:
    """Zero under the system prompt that it was trained with, which is ours; the others under none, as the paper's."""
    asked: list[Any] = []
    monkeypatch.setattr("vr1repro.evaluation.run.evaluate", lambda *given, **_: asked.append(given) or [])
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "results" / "smoke" / "eval" / slug
    out.mkdir(parents=True)
    evaluate.run(repo / "config" / "smoke.yaml", out, slug)
    ((model, specs, settings, seeds, _),) = asked
    prompt = load(repo / "config" / "smoke.yaml").arms["zero"].system_prompt
    assert (model.arm, model.system_prompt) == (arm, prompt if prompted else None)
    assert (settings.protocols, seeds) == (protocols, [1, 2])
    assert [spec.slug for spec in specs] == ["mathvista", "mathverse", "mmmath"]

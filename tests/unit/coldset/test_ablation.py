"""Descriptions with and without Pseudo-CoT: which prompts are sent, and how the two are compared."""

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from coldset_settings import coldset_settings
from pydantic import ValidationError
from rich.progress import Progress

from vr1repro.coldset.ablation import compare
from vr1repro.coldset.bridge import bridge
from vr1repro.coldset.ledger import Ledger
from vr1repro.coldset.records import ABLATION, Both, Compared, Draft
from vr1repro.config.coldset import ColdsetSettings
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read
from vr1repro.core.records import Outcome, Problem
from vr1repro.engines.base import Completion, Request

PROBLEMS = [
    Problem(id=str(n), source="s", question=f"What is {n}+1?", answer=str(n + 1), image=b"picture %d" % n)
    for n in range(20)
]


class Describing:
    """Describes rightly with a thinking process alone; its reasoner repeats what it reads."""

    def __init__(self, refuses: str = "") -> None:
        self.settings: dict[str, object] = {"kind": "describing"}
        self.sent: list[tuple[str, str]] = []
        self.refuses = refuses

    def attach(self, ledger: Ledger, steps: Sequence[str]) -> None:
        pass

    def cost(self, completion: Completion) -> float | None:
        return None

    def complete(self, step: str, requests: Mapping[str, Request]) -> Iterator[tuple[str, Completion]]:
        for sha, request in random.Random(0).sample(list(requests.items()), len(requests)):
            self.sent.append((step, request.text))
            n = int(request.text.split("What is ")[-1].split("+")[0])
            if step in ("chain", "plain_chain"):
                text = f"<think>So.</think><answer> Final Answer:{request.text.split()[3]} </answer>"
            elif step == "pseudo_cot":
                text = "Caption: a sum. Reasoning: add."
            else:
                value = n + 1 if "thinking process:Caption" in request.text else n + 2
                text = f"The sum is {value}"
            reason = "refused" if step == self.refuses else "stop"
            yield sha, Completion(key=request.key, text=text, n_tokens=7, finish_reason=reason)


def run(out: Path, settings: ColdsetSettings, refuses: str = "") -> list[tuple[str, str]]:
    model = Describing(refuses)
    with Progress(disable=True) as progress:
        bridge(PROBLEMS, settings, model, model, 1, out, progress)
    return model.sent


def test_both_descriptions_are_graded_against_the_gold_answer(tmp_path: Path) -> None:
    sent = run(tmp_path, coldset_settings(ablated=5))
    assert [step for step, _ in sent].count("plain_description") == 5
    assert compare([tmp_path / ABLATION], tmp_path / "compared.jsonl", 1, 5.0) == 5
    rows = list(read(tmp_path / "compared.jsonl", Compared))
    assert {(row.with_pseudo_cot.outcome, row.without.outcome) for row in rows} == {(Outcome.RIGHT, Outcome.WRONG)}
    assert {row.without.words for row in rows} == {4}
    # The set's own drafts are what they are without the comparison.
    run(tmp_path / "alone", coldset_settings())
    assert (tmp_path / "drafts.jsonl").read_bytes() == (tmp_path / "alone" / "drafts.jsonl").read_bytes()
    assert list(read(tmp_path / "alone" / ABLATION, Both)) == []


def test_the_sample_is_spread_over_the_shards_and_is_no_ones_choice(tmp_path: Path) -> None:
    run(tmp_path / "a", coldset_settings(ablated=5, shards=2))
    run(tmp_path / "b", coldset_settings(ablated=10, shards=2))
    small, large = ({row.id for row in read(tmp_path / name / ABLATION, Both)} for name in "ab")
    assert (len(small), len(large)) == (3, 5)
    assert small < large


def test_a_description_without_pseudo_cot_by_config(tmp_path: Path) -> None:
    sent = run(tmp_path, coldset_settings(pseudo_cot=False))
    assert {step for step, _ in sent} == {"description", "chain"}
    assert not any("thinking process" in text for _, text in sent)
    draft = next(iter(read(tmp_path / "drafts.jsonl", Draft)))
    assert (draft.pseudo_cot, draft.description) == ("", "The sum is 2")


def test_a_refusal_counts_as_no_answer(tmp_path: Path) -> None:
    run(tmp_path, coldset_settings(ablated=2), refuses="plain_description")
    compare([tmp_path / ABLATION], tmp_path / "compared.jsonl", 1, 5.0)
    rows = list(read(tmp_path / "compared.jsonl", Compared))
    assert [(row.without.outcome, row.without.answer) for row in rows] == [(Outcome.UNPARSABLE, None)] * 2


def test_a_comparison_without_its_other_side_is_refused() -> None:
    with pytest.raises(ValidationError, match="ablated: compares with descriptions that have a Pseudo-CoT"):
        coldset_settings(pseudo_cot=False, ablated=1)


def test_a_shard_that_lacks_the_comparison_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ablation\.jsonl"):
        compare([tmp_path / ABLATION], tmp_path / "compared.jsonl", 1, 5.0)

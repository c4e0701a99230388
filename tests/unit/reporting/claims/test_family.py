"""All claims together: the sentence, what chance gives, and Holm's adjustment."""

from dataclasses import replace

import pytest

from vr1repro.published import load_values
from vr1repro.reporting.claims.comparison import Comparison, gets_verdict
from vr1repro.reporting.claims.family import family_of
from vr1repro.reporting.claims.judgement import Judgement, Label

CLAIMS = [value for value in load_values() if gets_verdict(value)]
OTHERS = [value for value in load_values() if not gets_verdict(value)]


def rows(*judgements: Judgement) -> list[Comparison]:
    rest = [Comparison(published=value, judgement=Judgement(label=Label.NO_VERDICT, reason="")) for value in OTHERS[:3]]
    pairs = zip(CLAIMS, judgements, strict=False)
    return [*rest, *(Comparison(published=value, judgement=judgement) for value, judgement in pairs)]


def judged(label: Label, different: float | None = None, equal: float | None = None, more: str = "") -> Judgement:
    return Judgement(label=label, reason="", p_different=different, p_equal=equal, would_tell=more)


MIXED = rows(
    judged(Label.REPRODUCED, 0.6, 0.001),
    judged(Label.REPRODUCED, 0.5, 0.04),
    judged(Label.NOT_REPRODUCED, 0.0001, 0.9),
    judged(Label.NOT_REPRODUCED, 0.03, 0.9),
    judged(Label.CANNOT_TELL, 0.2, 0.2, "8 evaluation seeds"),
    judged(Label.DEPENDS, 0.2, 0.2),
    judged(Label.WEIGHTS_ONLY, 0.2, 0.2, "3 trainings or more"),
    judged(Label.WEIGHTS_ONLY, 0.001, 0.9, "3 trainings or more"),
    judged(Label.NOT_RUN),
)


def test_the_sentence_adds_up() -> None:
    family = family_of(MIXED, 0.95)
    assert family.sentence() == (
        "Of 9 claims, 2 reproduced, 2 not reproduced, 4 cannot be told (among them 2 these weights only, 1 depends on"
        " the scorer), 1 not run at the paper's scale."
    )
    assert sum(family.counts.values()) == family.claims == 2 + 2 + family.undecided + family.not_run
    assert family.would_tell == (("3 trainings or more", 2), ("8 evaluation seeds", 1))


def test_holm_is_over_all_that_were_tested() -> None:
    """Six were tested: 0.001 and 0.0001 stay at six times themselves, 0.04 and 0.03 do not."""
    family = family_of(MIXED, 0.95)
    assert (family.tested, family.by_chance) == (6, pytest.approx(0.3))
    assert (family.reproduced_holm, family.not_reproduced_holm) == (1, 1)
    assert "at most 0.3 of the verdicts are false by chance" in family.chance(0.95)


def test_micro_runs_nothing_at_the_papers_scale() -> None:
    micro = [
        replace(row, judgement=judged(Label.NOT_COMPARABLE))
        for row in MIXED
        if row.judgement.label is not Label.NO_VERDICT
    ]
    family = family_of(micro, 0.95)
    assert family.sentence().endswith("0 cannot be told, 9 not run at the paper's scale.")
    assert family.chance(0.95) == ""

"""A model against numbers that were printed for any model: in the paper, or in an official score file."""

import math
from collections.abc import Sequence
from pathlib import Path

from vr1repro.benchmarks import lookup
from vr1repro.core.errors import UserError
from vr1repro.core.outside import json_object
from vr1repro.published import Formula, PublishedValue, Target, ValueClass, load_values
from vr1repro.published.targets import ARMS, target_for
from vr1repro.reporting.claims.comparison import Comparison, as_table, compare_published
from vr1repro.reporting.run.questions import subset_name
from vr1repro.reporting.run.results import Results

_SCORE_FILE = "score file"
_KINDS = (ValueClass.CLAIM, ValueClass.QUOTED_BASELINE, ValueClass.DERIVED)
SCORES = ("accuracy", "score")  # quantities of a target that are scores of a benchmark


def scores_printed_for(model: str) -> list[PublishedValue]:
    """The scores that the paper prints for a model, under every spelling of its name.

    Raises:
        UserError: No such model; the message names close ones.
    """
    import difflib

    scores = [value for value in load_values() if value.value_class in _KINDS and not _calculated(value)]
    names = list(dict.fromkeys(value.model for value in scores))
    spelt = next((name for name in names if name.lower() == model.lower()), None)
    if spelt is None:
        close = ", ".join(difflib.get_close_matches(model, names, n=5, cutoff=0.3))
        raise UserError(f"published:{model}: nothing is printed for it" + (f"; close: {close}" if close else ""))
    same = {name for name in names if name == spelt or (spelt in ARMS and ARMS.get(name) == ARMS[spelt])}
    return [value for value in scores if value.model in same and value.step is None]


def models_printed_on(slug: str) -> list[str]:
    """The models of the paper that it prints an overall score of on a benchmark."""
    claims = [value for value in load_values() if value.value_class is ValueClass.CLAIM and value.step is None]
    targets = [(value.model, value.target) for value in claims if value.target is not None]
    overall = [(name, one) for name, one in targets if one.benchmark == slug and one.subset == "overall"]
    return list(dict.fromkeys(name for name, one in overall if one.quantity in SCORES))


def _calculated(value: PublishedValue) -> bool:
    """Whether it is a gain or a place, which is of two models or more."""
    return value.arithmetic is not None and value.arithmetic.formula is not Formula.MEAN


def read_score_file(path: Path, benchmark: str) -> list[PublishedValue]:
    """The scores of an official MathVista score file, as its leaderboard takes them.

    Raises:
        UserError: It is not such a file.
    """
    try:
        content = json_object(path)
        scores = {("", ""): content["average"]}
        scores |= {(g, n): part for g, names in content.items() if g != "average" for n, part in names.items()}
        return [_score(path, benchmark, group, name, str(part["accuracy"])) for (group, name), part in scores.items()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not a score file ({error!r}); needs `average` and groups with `accuracy`") from None


def is_score_file(path: Path) -> bool:
    """Whether a file is an official MathVista score file, by its `average`."""
    if path.suffix != ".json" or not path.is_file():
        return False
    try:
        average = json_object(path).get("average")
    except UserError:
        return False
    return isinstance(average, dict) and "accuracy" in average


def _score(path: Path, benchmark: str, group: str, name: str, printed: str) -> PublishedValue:
    subset = subset_name(lookup.facts(benchmark), group, name) if group else "overall"
    decimals = len(printed.partition(".")[2])
    return PublishedValue.model_validate(
        {
            "id": f"{path.stem}.{benchmark}.{subset}",
            "class": ValueClass.SCORE_FILE,
            "table": path.name,
            "version": _SCORE_FILE,
            "model": path.stem,
            "benchmark": benchmark,
            "subset": f"{group}: {name}" if group else "",
            "metric": "accuracy_%",
            "value": _finite(printed),
            "source": path.name,
            "rounding": 0.5 * 10.0**-decimals,
            "target": Target(arm=path.stem, benchmark=benchmark, subset=subset, quantity="accuracy"),
        }
    )


def suiting_profile(value: PublishedValue) -> str | None:
    """Profile with which responses are scored as a printed number was; None where that is not known.

    The authors' repository evaluates with VLMEvalKit's rules and asks again where an answer is missing
    (Osilly/Vision-R1@a112239, evaluation/); the paper itself does not say how its numbers were scored.
    """
    if value.version == _SCORE_FILE:
        return "official"
    return None if value.value_class is ValueClass.QUOTED_BASELINE else "vlmevalkit"


def suiting_scorer(value: PublishedValue) -> str:
    """That profile and its protocol, as a reader is told."""
    profile = suiting_profile(value)
    return f"{profile}, protocol paper (repository)" if profile == "vlmevalkit" else profile or "not stated"


def _finite(printed: str) -> float:
    value = float(printed)
    if not math.isfinite(value):
        raise ValueError(f"the accuracy {printed!r} is no number")
    return value


def compare_arm(arm: str, values: Sequence[PublishedValue], results: Results) -> list[Comparison]:
    """Compare one of our models with numbers that were printed for any model."""
    return compare_published([_about(arm, value) for value in values], results)


def _about(arm: str, value: PublishedValue) -> PublishedValue:
    """The same number as a claim about another model, of which there is one checkpoint."""
    target = value.target or target_for(value.model_dump(), arm)
    if target is not None:
        target = target.model_copy(update={"arm": arm, "checkpoint": None})
    return value.model_copy(update={"target": target})


def comparison_csv(rows: Sequence[tuple[str, Comparison]]) -> str:
    """Every row in full; the first column is our model."""
    table = as_table(row for _, row in rows)
    table.insert(0, "ours_model", [arm for arm, _ in rows])
    return str(table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))

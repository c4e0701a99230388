"""A checkpoint's card in the hub's schema."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vr1repro.benchmarks import lookup
from vr1repro.cards import card
from vr1repro.cards.artefacts import Artefact, Origin, hub_ids
from vr1repro.cards.markdown import escaped, table
from vr1repro.cards.scores import OVERALL, Score, Scores
from vr1repro.core.outside import json_object
from vr1repro.reporting.run.results import MICRO_NOTE
from vr1repro.reporting.statistics.rounding import fixed, percent
from vr1repro.reporting.tables.render import estimate, number


def model_card(artefact: Artefact, folder: Path, origin: Origin, scores: Scores, license_id: str | None) -> str:
    """The card of a checkpoint.

    Args:
        artefact: The checkpoint.
        folder: Where it lies.
        origin: Its run.
        scores: Of its responses.
        license_id: The hub's name of a licence that the user states; None: not stated.
    """
    from huggingface_hub import ModelCardData

    name = scores.slug or artefact.path.replace("/", "-")
    parents = [one.artefact for one in origin.ancestors(artefact) if one.artefact is not None]
    models = [one for one in parents if one.kind == "model"]
    data = ModelCardData(
        base_model=hub_ids(models) or None,
        datasets=hub_ids([one for one in parents if one.kind in ("problems", "coldset")]) or None,
        eval_results=[_result(score) for score in _in_order(scores) if score.subset == OVERALL] or None,
        library_name="transformers" if (folder / "config.json").is_file() else None,
        license=license_id,
        model_name=name if scores.rows else None,
        pipeline_tag="image-text-to-text" if _reads_pictures(folder) else None,
        tags=[*card.TAGS, *(["micro-scale"] if _is_model_of_it(origin) else [])],
    )
    lines = ["---", data.to_yaml(), "---", "", f"# {escaped(name)}", "", *_introduction(artefact, origin)]
    lines += [*_results(scores), *card.made_from(artefact, origin), *card.settings(artefact)]
    lines += [
        *card.deviations(artefact, origin, {score.benchmark for score in scores.rows}),
        *card.make_again(artefact, origin),
    ]
    return "\n".join([*lines, *card.licence(license_id)])


def _introduction(artefact: Artefact, origin: Origin) -> Iterator[str]:
    if artefact.source:
        yield f"Weights as they were taken from elsewhere: {escaped(card.taken_from(artefact))}."
    else:
        yield f"A checkpoint that vr1repro made after {card.PAPER}. It is not a model of the paper's authors."
    if _is_model_of_it(origin):
        yield from ["", f"**{MICRO_NOTE[0].upper()}{MICRO_NOTE[1:]}.**"]
    yield ""


def _is_model_of_it(origin: Origin) -> bool:
    return origin.results is not None and not origin.results.comparable


def _reads_pictures(folder: Path) -> bool:
    path = folder / "config.json"
    return path.is_file() and "vision_config" in json_object(path)


def _results(scores: Scores) -> Iterator[str]:
    yield from ["## Results", ""]
    if not scores.rows:
        yield from ["None: no responses of these weights were graded in the run that this card was made from.", ""]
        return
    yield f"With {percent(scores.confidence)} intervals over other questions, clustered by problem or picture. A score"
    yield "is of the responses with a verdict; an answer that could not be read is wrong in it. n counts responses."
    yield ""
    head = (
        "benchmark",
        "score",
        "value [interval]",
        "n",
        "clusters",
        "seeds",
        "protocol",
        "scorer",
        "unparsable %",
        "ungraded %",
    )
    yield from table(head, (_row(score) for score in _in_order(scores)))
    yield ""


def _in_order(scores: Scores) -> list[Score]:
    """By benchmark: the headline's score with the sub-scores that the paper prints, then those of other scorers."""
    shown = [score for score in scores.rows if score.subset == OVERALL or _is_printed(score, scores)]
    return sorted(
        shown,
        key=lambda score: (
            lookup.facts(score.benchmark).position,
            (score.protocol, score.profile) != scores.headline,
            score.subset != OVERALL,
        ),
    )


def _is_printed(score: Score, scores: Scores) -> bool:
    """Whether it is a sub-score of the headline that the paper prints too."""
    headline = (score.protocol, score.profile) == scores.headline
    return headline and score.subset in lookup.facts(score.benchmark).printed.values()


def _row(score: Score) -> tuple[object, ...]:
    ours = score.estimate
    return (
        score.title, score.subset, estimate(ours), ours.n, ours.clusters, score.seeds, score.protocol, score.profile,
        number(score.unparsable), number(score.ungraded),
    )  # fmt: skip


def _result(score: Score) -> Any:
    """The score as the hub's leaderboards read it. A stand-in gets no name of a data set on the hub."""
    from huggingface_hub import EvalResult

    ours, source = score.estimate, score.questions.source
    bounds = f"[{number(ours.low)}, {number(ours.high)}]"
    return EvalResult(
        task_type="image-text-to-text",
        dataset_type=score.questions.hub_id or score.benchmark,
        dataset_name=score.title,
        dataset_config=source.get("name") if score.questions.hub_id else None,
        dataset_split=source.get("split") if score.questions.hub_id else None,
        dataset_revision=score.questions.hub_commit,
        metric_type="accuracy" if score.metric == "accuracy_%" else "score",
        metric_name=f"{score.metric} ({score.scorer}), {bounds}, n = {ours.n}",
        metric_value=float(fixed(ours.value, 2)),
        metric_args={
            "protocol": score.protocol, "scoring_profile": score.profile, "evaluation_seeds": score.seeds,
            "responses": ours.n, "clusters": ours.clusters, "interval": [_float(ours.low), _float(ours.high)],
        },
    )  # fmt: skip


def _float(value: float) -> float:
    return float(fixed(value, 2))

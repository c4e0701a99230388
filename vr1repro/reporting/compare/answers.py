"""What a model's owner wants to know, in sentences: each printed number once, ours, the difference, and what it says.

Several places of the paper print the same number (v1, v4, the README, a figure); it is one answer, which names them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from vr1repro.benchmarks import lookup
from vr1repro.published import PublishedValue, ValueClass
from vr1repro.published.targets import ARMS
from vr1repro.reporting.claims.comparison import Comparison, gets_verdict
from vr1repro.reporting.claims.family import family_of
from vr1repro.reporting.claims.judgement import Label
from vr1repro.reporting.claims.pairs import ArmPair
from vr1repro.reporting.compare.printed import SCORES, models_printed_on, suiting_profile, suiting_scorer
from vr1repro.reporting.compare.regrading import Regrading
from vr1repro.reporting.figures.compared import PrintedScore
from vr1repro.reporting.page.compared_front import PrintedRow
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.tables.render import DASH, TextTable, estimate, interval, number, plus_minus

_FEW = 4  # models that are named where many are printed
_MOST = 60  # sentences of one kind on the terminal; the files hold all
_SIDES = {-1: "yours is lower", 1: "yours is higher", 0: "no difference shown"}
THIRD_PARTY = "third-party"
# The print that stands for others of the same number: the authors' own before what they calculated or quoted.
_CLASSES = (ValueClass.CLAIM, ValueClass.DERIVED, ValueClass.QUOTED_BASELINE, ValueClass.SCORE_FILE)
_VERSIONS = ("v4", "v1", "README")
# Of the spellings of a model the one that is no table's own remark.
_NAMES = {name.rstrip("*"): arm for name, arm in ARMS.items() if "(" not in name}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One printed number and one of our models.

    Attributes:
        arm: The model.
        row: The comparison with the print that stands for all.
        prints: Every place that prints this number for the score.
    """

    arm: str
    row: Comparison
    prints: tuple[PublishedValue, ...]

    @property
    def key(self) -> str:
        """Its name on the page."""
        return f"{self.arm}:{self.row.published.id}"

    @property
    def what(self) -> str:
        """Benchmark and sub-score, as printed."""
        value = self.row.published
        title = lookup.facts(value.benchmark).title if value.benchmark in lookup.slugs() else value.benchmark
        return " ".join(part for part in (title, value.subset) if part)

    @property
    def where(self) -> str:
        """The places that print it."""
        return "; ".join(dict.fromkeys(source_of(value) for value in self.prints))

    @property
    def beside(self) -> str:
        """The printed model, one name for all spellings of it."""
        return named(self.row.published)


def named(value: PublishedValue) -> str:
    """The name under which v4's Table 1 has a model, whatever place prints it."""
    arm = ARMS.get(value.model)
    return next((name for name, other in _NAMES.items() if other == arm), value.model.partition(" (")[0])


def source_of(value: PublishedValue) -> str:
    """Version and table of a print."""
    version = value.version.partition(" (")[0]
    return value.table if value.table.startswith(version) else f"{version} {value.table}"


def answers_of(rows: Iterable[tuple[str, Comparison]]) -> list[Answer]:
    """Rows by model, those that print the same number for the same score as one."""
    alike: dict[tuple[Any, ...], list[Comparison]] = {}
    for arm, row in rows:
        value = row.published
        if row.ours is None and (value.target is None or value.target.quantity not in SCORES):
            continue  # a count of words or tokens, which nobody asked of a file of responses
        score = value.target or value.id
        source = value.table if value.value_class is ValueClass.SCORE_FILE else ""
        alike.setdefault((arm, named(value), score, value.value, source), []).append(row)
    return [
        Answer(arm=key[0], row=min(same, key=_rank), prints=tuple(one.published for one in sorted(same, key=_rank)))
        for key, same in alike.items()
    ]


def _rank(row: Comparison) -> tuple[int, int]:
    value = row.published
    return (
        _CLASSES.index(value.value_class),
        _VERSIONS.index(value.version) if value.version in _VERSIONS else len(_VERSIONS),
    )


def is_third_partys(value: PublishedValue) -> bool:
    """Whether it was measured by neither the authors nor who they quote."""
    return value.version.startswith(THIRD_PARTY)


def outcome(answer: Answer) -> str:
    """What the difference says, in the words of the judgement."""
    row = answer.row
    judged = row.judgement
    match judged.label:
        case Label.NO_VERDICT if row.published.value_class is ValueClass.QUOTED_BASELINE:
            return f"{_seen(row)}; {judged.label.value} on a quoted baseline"
        case Label.NO_VERDICT:
            return f"{_seen(row)}; {judged.label.value}: {judged.reason}"
        case Label.WEIGHTS_ONLY if judged.of_weights is not None:
            return f"{judged.label.value}: {judged.of_weights.value}"
        case Label.CANNOT_TELL if judged.difference is not None and not judged.difference.parts:
            return f"{_seen(row)}; {judged.label.value} from one run"
        case Label.CANNOT_TELL if judged.would_tell:
            return judged.label.value
        case Label.CANNOT_TELL | Label.DEPENDS | Label.EQUAL | Label.DIFFERS:
            return f"{judged.label.value}: {judged.reason}"
    return judged.label.value


def _seen(row: Comparison) -> str:
    """On which side of the printed number ours lies, by the interval of the difference."""
    low, high = row.interval or (0.0, 0.0)
    return _SIDES[1 if low > 0 else -1 if high < 0 else 0]


def sentence(answer: Answer) -> str:
    """The answer in one sentence."""
    row = answer.row
    value = row.published
    about = f"{answer.what}: published {value.value}, yours {plus_minus(row.ours)}"
    if row.interval is None:
        return f"{about}; {outcome(answer)}"
    apart = f"difference {number(row.difference, signed=True)} {interval(*row.interval)} {_over(row)}"
    return f"{about}; {apart}; {outcome(answer)}"


def _over(row: Comparison) -> str:
    """What a difference's interval is over: other questions, or which weights or recipes it is of."""
    return f"{'over' if row.drawn is None else 'for'} {row.interval_over}"


def comparison_table(results: Results, answers: Sequence[Answer], note: str) -> TextTable:
    """Every answer as a row; the CSV of the same name has every print of it, and what has no counterpart and why."""
    rows = []
    for one in answers:
        row, value = one.row, one.row.published
        if row.ours is None:
            continue
        places = [results.label(one.arm), one.beside, one.what, one.where, suiting_scorer(value)]
        apart = [number(row.difference, signed=True), DASH if row.interval is None else interval(*row.interval)]
        numbers = [str(value.value), estimate(row.ours), *apart, number(row.judgement.detectable)]
        rows.append([*places, row.interval_over or DASH, outcome(one), *numbers])
    without = sum(one.row.ours is None for one in answers)
    text = f"{note} {without} printed numbers have no counterpart here; comparison.csv lists them and why."
    header = ("Model", "Printed for", "Score", "Where", "Suits", "Interval over", "What it says")
    return TextTable(
        key="comparison",
        title="Against printed numbers",
        header=(*header, "Printed", "Ours", "Difference", "Interval", "Seen with 80 %"),
        rows=rows,
        note=text,
        text_columns=len(header),
    )


def rows_of(answers: Sequence[Answer]) -> list[PrintedRow]:
    """The answers as rows of the page; those without a counterpart are a sentence there (`without`)."""
    arms = list(dict.fromkeys(one.arm for one in answers))
    return [
        PrintedRow(
            key=one.key,
            arm=one.arm,
            what=one.what,
            beside=one.beside,
            where=one.where,
            says=outcome(one),
            row=one.row,
        )
        for one in sorted(answers, key=lambda one: (arms.index(one.arm), _foreign(one), _is_part(one)))
        if one.row.ours is not None
    ]


def printed_scores(answers: Sequence[Answer]) -> list[PrintedScore]:
    """The published scores for the figures, each once."""
    scores: dict[PrintedScore, None] = {}
    for one in answers:
        value = one.row.published
        if value.target is not None and one.row.ours is not None and value.value_class is not ValueClass.SCORE_FILE:
            elsewhere = is_third_partys(value)
            model = f"{one.beside}, {value.table}" if elsewhere else one.beside
            target = value.target.model_copy(update={"arm": None})
            scores[PrintedScore(model, target, value.subset, value.number, elsewhere)] = None
    return list(scores)


def tally(results: Results, answers: Sequence[Answer]) -> list[str]:
    """How many claims are reproduced, and where ours lie, a sentence for each of our models; each claim once."""
    sentences = []
    for arm in dict.fromkeys(answer.arm for answer in answers):
        rows = [one.row for one in answers if one.arm == arm]
        family = family_of(rows, results.settings.confidence)
        seen = Counter(_seen(row) for row in rows if row.interval is not None and gets_verdict(row.published))
        if family.claims:
            counts = ", ".join(f"{seen[words]} {words}" for words in _SIDES.values())
            text = f"o{family.sentence('not compared')[1:-1]}; in {counts}."
            sentences.append(f"{results.label(arm)}: {text}")
    return sentences


def scorers_of(answers: Sequence[Answer]) -> str:
    """Which scorer suits whose printed numbers, as one text."""
    suits: dict[str, str] = {}
    for one in answers:
        if not _foreign(one):
            suits.setdefault(one.beside, suiting_scorer(one.row.published))
    return "; ".join(f"{model}: {scorer}" for model, scorer in suits.items())


def _foreign(answer: Answer) -> bool:
    value = answer.row.published
    return value.value_class is ValueClass.SCORE_FILE or is_third_partys(value)


def in_sentences(results: Results, answers: Sequence[Answer], regraded: Sequence[str]) -> list[str]:
    """The answers as a terminal shows them: for each model and printed model, the overall scores first.

    Args:
        regraded: How the scorers that suit the prints are had, see `regraded`.
    """
    lines: list[str] = []
    groups: dict[tuple[str, str], list[Answer]] = {}
    for answer in answers:
        if answer.row.ours is not None and answer.row.published.value_class is not ValueClass.SCORE_FILE:
            groups.setdefault((answer.arm, answer.beside), []).append(answer)
    settings = results.settings
    for (arm, model), group in groups.items():
        printed = [one for one in group if not _foreign(one)]
        shown = sorted(printed or group, key=_is_part)[:_MOST]
        scorer = suiting_scorer(shown[0].row.published)
        graded = f"graded here: {settings.profile}, protocol {settings.protocol}"
        lines.append(f"{results.label(arm)} beside {model}; scorer that suits the print: {scorer}; {graded}")
        lines += [f"  {sentence(one)}" for one in shown]
        if more := len(group) - len(shown):
            lines.append(f"  and {more} number{'s' * (more != 1)} that others measured, in tables/comparison.md")
        lines += [
            f"  would tell: {what}" for what in dict.fromkeys(one.row.judgement.would_tell for one in shown) if what
        ]
    left = without(answers)
    lines += [*_score_files(results, answers), *beside_nothing(results, answers)]
    return [*lines, *regraded, *([left] if left else [])]


def _is_part(answer: Answer) -> bool:
    target = answer.row.published.target
    return target is not None and target.subset != "overall"


def _score_files(results: Results, answers: Sequence[Answer]) -> list[str]:
    """One sentence for each of our models and score file: how many scores are equal, and which are not."""
    lines = []
    files: dict[tuple[str, str], list[Answer]] = {}
    for answer in answers:
        value = answer.row.published
        if value.value_class is ValueClass.SCORE_FILE and answer.row.ours is not None:
            files.setdefault((answer.arm, value.table), []).append(answer)
    for (arm, file), group in files.items():
        apart = [one for one in group if one.row.judgement.label is not Label.EQUAL]
        named = "; ".join(f"{one.what}: {one.row.published.value}, yours {estimate(one.row.ours)}" for one in apart)
        equal = f"{len(group) - len(apart)} of {len(group)} scores equal within the file's rounding"
        lines.append(f"{results.label(arm)} beside {file} (suits: official): {equal}{f'; {named}' if named else ''}")
    return lines


def without(answers: Sequence[Answer]) -> str:
    """What printed scores have no score of ours beside them, and why; empty where all have one."""
    reasons: dict[str, dict[str, None]] = {}
    for one in answers:
        judged = one.row.judgement
        if one.row.ours is None and judged.label is Label.NOT_RUN and not is_third_partys(one.row.published):
            # What a command would run was not answered; all else was, and cannot be compared.
            reasons.setdefault("" if judged.command else judged.reason, {})[one.what] = None
    sentences = [f"Not answered, so not compared: {', '.join(reasons.pop(''))}."] if "" in reasons else []
    if reasons:
        others = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items())
        sentences.append(f"Answered, but not compared: {others}.")
    return " ".join(sentences)


def beside_nothing(results: Results, answers: Sequence[Answer]) -> list[str]:
    """A sentence for each model's score on a benchmark that no printed number of those asked for stands beside."""
    compared = {
        (one.arm, one.row.published.target.benchmark)
        for one in answers
        if one.row.ours is not None and one.row.published.target is not None
    }
    lines = []
    for arm, slug in product(results.evaluated, results.benchmarks):
        ours = None if (arm, slug) in compared else results.accuracy(arm, slug)
        if ours is not None:
            models = models_printed_on(slug)
            printed = (
                f"; the paper prints one for {', '.join(models[:_FEW])} (--against published:MODEL)" if models else ""
            )
            title = lookup.facts(slug).title
            lines.append(f"{results.label(arm)}: {title} {plus_minus(ours)}, beside no printed number{printed}")
    return lines


def regraded(results: Results, answers: Sequence[Answer], regrading: Regrading) -> list[str]:
    """For each benchmark the commands that grade a model's responses by the scorer that suits a print of it.

    The first model's stand for all. Nothing is said where that scorer graded here, or is not known.
    """
    models = results.frame.drop_duplicates("arm").set_index("arm")["model"].to_dict()
    texts: dict[str, None] = {}
    first: dict[tuple[str, str], str] = {}
    for one in answers:
        profile, target = suiting_profile(one.row.published), one.row.published.target
        if one.row.ours is None or target is None or profile in (None, results.settings.profile):
            continue
        slugs = [name.partition(":")[0] for name in target.of] or [target.benchmark]
        for slug in slugs:
            if first.setdefault((slug, profile), one.arm) == one.arm:
                texts[regrading.commands(str(models[one.arm]), slug, profile)] = None
    return [text for text in texts if text]


def pairs_in_sentences(results: Results, pairs: Sequence[ArmPair]) -> list[str]:
    """Models against each other, a sentence each."""
    lines = []
    for pair in pairs[:_MOST]:
        questions = pair.questions.estimate
        weights, _ = pair.says(results.settings.confidence)
        what = f"{results.label(pair.first)} minus {results.label(pair.second)}, {pair.benchmark}"
        apart = f"{number(questions.value, signed=True)} {interval(questions.low, questions.high)} over questions"
        bounds = "" if pair.bounds is None else f", bounds {interval(*pair.bounds)}"
        lines.append(f"{what}: {apart}{bounds}; these weights: {weights}")
    more = len(pairs) - len(lines)
    return [*lines, f"... and {more} further pairs in tables/pairs.md"] if more > 0 else lines

"""Tables that the paper does not have: phenomena, pairs of arms, parts of the variance, where the paper disagrees."""

from collections.abc import Sequence
from typing import Any

from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.coldset.words import RULES, published
from vr1repro.published import PublishedValue, ValueClass, disagreements, load_values
from vr1repro.reporting.claims.comparison import Comparison, compare_published, contradictions
from vr1repro.reporting.claims.pairs import MEAN, ArmPair, arm_pairs
from vr1repro.reporting.claims.phenomena import Phenomenon, phenomena
from vr1repro.reporting.run.best import held_out
from vr1repro.reporting.run.counting_rules import COLDSET, COLUMNS, SetCounts, rank_rules
from vr1repro.reporting.run.results import MICRO_NOTE, Missing, Results
from vr1repro.reporting.run.scorer_errors import as_the_other_scorer
from vr1repro.reporting.run.scores import accuracy, average_weights, open_shares
from vr1repro.reporting.run.variance import variance_split
from vr1repro.reporting.statistics.paired import FEWEST_SEEDS, SeedDifference
from vr1repro.reporting.statistics.rounding import fixed, percent
from vr1repro.reporting.tables.elsewhere import elsewhere_tables
from vr1repro.reporting.tables.render import DASH, TextTable, estimate, interval, number
from vr1repro.reporting.tables.table import note


def own_tables(results: Results) -> Sequence[TextTable]:
    """Every table of the report that the paper does not have."""
    return [
        phenomena_table(results, phenomena(results)),
        pairs_table(results, arm_pairs(results)),
        best_table(results),
        baselines_table(results, compare_published(load_values(), results)),
        scorers_table(results),
        variance_table(results),
        words_table(results.counted_sets),
        contradictions_table(),
        *elsewhere_tables(results),
    ]


def headline_table(results: Results, comparisons: Sequence[Comparison]) -> TextTable:
    """Published numbers beside ours, one a row, with what can be said of each and why."""
    rows = []
    for row in comparisons:
        value = row.published
        about = " ".join(part for part in (value.model, value.benchmark, value.subset) if part)
        printed = f"{value.relation or ''} {value.value} ({value.metric})".strip()
        judged = row.judgement
        where = f"{value.version} {value.table}"
        rows.append([about, where, judged.label.value, printed, estimate(row.ours), judged.reason])
    return TextTable(
        key="headlines",
        title="What the paper is quoted for",
        header=("Statement", "Where", "Verdict", "Printed", "Ours", "Why"),
        rows=rows,
        note=note(results),
        text_columns=6,
    )


def phenomena_table(results: Results, sentences: Sequence[Phenomenon]) -> TextTable:
    """The paper's sentences about lengths, accuracy and words, each statistic of them in a row of its own."""
    rows = []
    for sentence in sentences:
        value = sentence.published
        for number_of_part, (statistic, measured) in enumerate(sentence.parts):
            first = number_of_part == 0
            about = [f"{value.model} {value.benchmark}", f'"{value.value}"', sentence.judgement.label.value]
            sign = "above 0" if statistic.sign > 0 else "below 0"
            rows.append([*(about if first else ["", "", ""]), statistic.what, sign, *_measured_cells(measured)])
            rows[-1].append(number(statistic.by_the_paper, signed=True))
    chance, responses = (1 - results.settings.confidence) / 2, results.settings.sampled_responses
    text = (
        "One value for each training seed, t interval over seeds. Shown: every statistic lies beyond 0 as stated;"
        " reversed: one lies beyond it on the other side. Where nothing goes in either direction, each of the two is"
        f" said in at most {percent(chance, 1)}. Fewer than {FEWEST_SEEDS} training seeds cannot tell. Tokens in a log"
        " are means over a tenth of a stage's steps, cut at the stage's limit. Words are counted in all responses to"
        f" MathVerse, for {responses} of them. The last column is the same from the paper's printed numbers (Figure 1"
        " C to E, Table 3), which contradict some of its sentences; in Figure 1 A accuracy is 41, 28 and 7 % from short"
        " to long."
    )
    header = ("Phenomenon", "In the paper's words", "Here", "Statistic", "Stated", "Value", "Interval over seeds")
    return TextTable(
        key="phenomena",
        title="Phenomena",
        header=(*header, "Range of seeds", "Seeds", "By the paper's numbers"),
        rows=rows,
        note=text if results.comparable else f"{MICRO_NOTE}. {text}",
        text_columns=5,
    )


def _measured_cells(measured: SeedDifference | Missing) -> list[str]:
    """Value, interval, range and number of seeds."""
    if isinstance(measured, Missing):
        return [DASH, DASH, DASH, "0"]
    over_seeds = DASH if measured.p_value is None else interval(measured.low, measured.high)
    value = number(measured.value, signed=True)
    return [value, over_seeds, interval(measured.smallest, measured.largest), str(measured.seeds)]


def pairs_table(results: Results, pairs: Sequence[ArmPair]) -> TextTable:
    """Arms against each other, with what each comparison could have seen."""
    rows = [_pair_row(results, pair) for pair in pairs]
    text = (
        "Differences in points of accuracy, first minus second, paired by question. These weights: on other"
        " questions; t test with the cluster-robust error, Holm's adjustment over all pairs on the benchmark, and"
        " sign-flip permutation over problems as a check (not adjusted). Recipes: trained again; the unit is the"
        " training seed, below three there is a range and no p value. Bounds: where the scorer could read the two"
        " unequally well. Several training seeds stand behind one"
        " checkpoint's row: their answers are averaged by question."
    )
    header = list(rows[0]) if rows else ["First", "Second"]
    cells = [list(row.values()) for row in rows]
    return TextTable(
        key="pairs",
        title="Arms against each other",
        header=header,
        rows=cells,
        note=f"{note(results)} {text}",
        text_columns=5,
    )


def _pair_row(results: Results, pair: ArmPair) -> dict[str, str]:
    questions, training = pair.questions.estimate, pair.training
    checkpoints, recipes = pair.says(results.settings.confidence)
    return {
        "First": results.label(pair.first),
        "Second": results.label(pair.second),
        "Benchmark": pair.benchmark,
        "These weights": checkpoints,
        "Recipes": recipes,
        "Difference": number(questions.value, signed=True),
        "Interval over questions": interval(questions.low, questions.high),
        "Bounds": DASH if pair.bounds is None else interval(*pair.bounds),
        "p (Holm)": _p(pair.holm),
        "Permutation p": _p(pair.questions.p_value),
        "Power at margin": f"{percent(pair.power)} at {pair.margin:g}",
        "Seen with 80 %": number(pair.detectable),
        "Questions": str(questions.n),
        "Left out": str(pair.questions.unpaired),
        "Seeds": str(training.seeds),
        "Range of seeds": interval(training.smallest, training.largest) if training.seeds else DASH,
        "Interval over seeds": DASH if training.p_value is None else interval(training.low, training.high),
        "p over seeds (Holm)": _p(pair.training_holm),
        "Seen with 80 % over seeds": DASH if training.p_value is None else number(pair.training_detectable),
    }


def best_table(results: Results) -> TextTable:
    """The best checkpoint of each arm that chose one, beside its last, and what the choice adds by chance."""
    rows = []
    for selection in results.selections:
        best, last = selection.best, selection.last
        steps = ", ".join(str(candidate.step) for candidate in selection.candidates)
        elsewhere = held_out(results.frame, selection, results.settings)
        scores = (best.mean, last.mean, best.mean - last.mean, elsewhere, elsewhere and best.mean - elsewhere)
        cells = [number(score, signed=k in (2, 4)) for k, score in enumerate(scores)]
        rows.append([results.label(selection.arm), str(selection.train_seed), steps, str(best.step), *cells])
    header = ("Arm", "Training seed", "Chosen among", "Best step", "Best", "Last step", "Best minus last")
    text = (
        "Mean accuracy in percent over the benchmarks by which the best was chosen, one answer a question (protocol"
        " single, first evaluation seed) for all of them. 'Held out': chosen on half of the problems and scored on the"
        " other half, mean over random halves; 'by chance': what the best's score owes to being chosen on the questions"
        " that it is reported on. v4 Tables 5 and 6 are of such bests (App. A)."
    )
    return TextTable(
        key="best",
        title="The best of the last checkpoints beside the last",
        header=(*header, "Held out", "By chance"),
        rows=rows,
        note=text if results.comparable else f"{MICRO_NOTE}. {text}",
        text_columns=3,
    )


def scorers_table(results: Results) -> TextTable:
    """Every arm under every scorer, with what it left open and what its errors were measured to be."""
    rows = []
    ends = results.frame[results.frame["final"]] if len(results.frame) else results.frame
    key: Any  # pandas types a group's key as any hashable
    for arm in results.evaluated:
        of_arm = ends[ends["arm"] == arm]
        for key, part in of_arm.groupby(["benchmark", "protocol", "profile"]):
            benchmark, protocol, profile = key
            counted = part[part["stratum"] != EXCLUDED]
            if counted.empty:
                continue
            shares = open_shares(counted, average_weights(counted))
            errors = results.scorer_errors(benchmark, profile)
            other = as_the_other_scorer(counted, errors, results.settings.confidence)
            stands_for = f"as {errors.stands_for}: " if errors and other else ""
            cells = (accuracy(counted, results.settings).value, shares.unparsable, shares.ungraded)
            bounds = f"[{number(shares.low)}, {number(shares.high)}]"
            seen = f"{stands_for}{number(other.value)} [{number(other.low)}, {number(other.high)}]" if other else ""
            names = [results.label(arm), benchmark, protocol, profile]
            rows.append([*names, *map(number, cells), bounds, seen or "not measured"])
    text = (
        "Percent. Value: right of the responses with a verdict, unreadable ones wrong. Bounds: all unreadable and"
        " ungraded ones wrong, or right. Measured: the score that the other scorer would give, by its verdicts on"
        " public outputs of other models, with an interval over families of models; the questions are these. Scorers"
        " that nobody measured have bounds alone."
    )
    header = ("Arm", "Benchmark", "Protocol", "Scorer", "Value", "Unreadable", "Ungraded", "Bounds", "Measured")
    return TextTable(
        key="scorers", title="The same responses under every scorer", header=header, rows=rows,
        note=f"{note(results)} {text}", text_columns=4,
    )  # fmt: skip


def baselines_table(results: Results, comparisons: Sequence[Comparison]) -> TextTable:
    """Numbers that the paper quotes for models that we ran: a check of the set-up, no claim of the paper's."""
    rows = []
    for row in comparisons:
        value = row.published
        if value.value_class is not ValueClass.QUOTED_BASELINE or row.difference is None or row.interval is None:
            continue
        about = " ".join(part for part in (value.benchmark, value.subset) if part)
        where = f"{value.version} {value.table}"
        apart = f"{number(row.difference, signed=True)} {interval(*row.interval)}"
        rows.append([value.model, about, where, str(value.value), estimate(row.ours), apart, row.interval_over])
    text = (
        "Who measured these and how is not stated, so they get no verdict; a difference here is one of prompts, scorers"
        " or versions, and moves every gain over the baseline."
    )
    header = ("Model", "Benchmark", "Where", "Printed", "Ours", "Difference", "Interval over")
    return TextTable(
        key="baselines", title="Baselines that we ran", header=header, rows=rows, note=f"{note(results)} {text}",
        text_columns=3,
    )  # fmt: skip


def variance_table(results: Results) -> TextTable:
    """Parts of a score's standard deviation, by arm and benchmark."""
    header = ("Arm", "Benchmark", "Other questions", "Trained again", "Sampled again", "Other grader", "Other protocol")
    rows = []
    ends = results.frame[results.frame["final"]] if len(results.frame) else results.frame
    for arm in results.evaluated:
        rows_of_arm = ends[ends["arm"] == arm]
        names = [name for name in results.benchmarks if (results.final(arm)["benchmark"] == name).any()]
        for name, benchmarks in [*((n, [n]) for n in names), *([(MEAN, names)] if len(names) > 1 else [])]:
            split = variance_split(rows_of_arm, results.settings, benchmarks)
            if split is None:
                continue
            training = split.training if results.trained(arm) else None
            parts = (split.questions, training, split.sampling, split.grader, split.protocol)
            counts = (str(split.n), str(split.train_seeds), str(split.eval_seeds), str(split.profiles))
            rows.append([results.label(arm), name, *map(_points, parts), *counts])
    text = (
        "Standard deviations of one score (one training, one sampling seed) in points, by the method of moments. A"
        " dash: there was no second draw to tell. With one evaluation seed 'trained again' holds the sampling too."
    )
    counted = ("Questions", "Training seeds", "Evaluation seeds", "Graders")
    title = "Where a score's variance comes from"
    return TextTable(
        key="variance",
        title=title,
        header=(*header, *counted),
        rows=rows,
        note=f"{note(results)} {text}",
        text_columns=2,
    )


def words_table(sets: Sequence[SetCounts]) -> TextTable:
    """Table 4's counts under every counting rule, the rule nearest to the printed counts first."""
    here = {one.column: one for one in sets}
    sources = [one for one in sets if one.column != COLDSET]
    ranked = rank_rules(sources) if sources else []
    distances = {one.rule: (fixed(one.distance, 3), f"{one.equal} of {one.of}") for one in ranked}
    rules = [one.rule for one in ranked] or list(RULES)
    header = ["Set", "Word", "Printed", *(rule.replace("_", " ") for rule in rules)]
    rows = [["Distance", "", "", *(distances.get(rule, (DASH,))[0] for rule in rules)]]
    rows.append(["Equal counts", "", "", *(distances.get(rule, (DASH, DASH))[1] for rule in rules)])
    for name, head in COLUMNS.items():
        for word, printed in published(head).items():
            counts = [f"{here[name].counts[word, rule]:,}" if name in here else "not run here" for rule in rules]
            rows.append([head, word, fixed(printed, 0, grouped=True), *counts])
    texts = ", ".join(f"{one.texts:,} of {COLUMNS[one.column]}" for one in sets) or "none"
    text = (
        "How the paper counted is not stated. Distance: root mean square of the differences of log(1 + count) from the"
        " printed counts over the words of LLaVA-CoT and Mulberry, whose texts do not depend on this run; the nearest"
        f" rule stands first. Texts counted in: {texts}. `vr1repro words` counts sets that lie elsewhere."
    )
    return TextTable(
        key="words", title="Words of Table 4 under each counting rule", header=header, rows=rows, note=text,
        text_columns=2,
    )  # fmt: skip


def contradictions_table() -> TextTable:
    """Where the paper's versions, README and repository disagree: those known by reading, then any others by value."""
    rows = [[read.what, _prints(read.values), read.says] for read in disagreements()]
    covered = {identity for read in disagreements() for identity in read.prints}
    for computed in contradictions(load_values()):
        if not {value.id for value in computed.prints} <= covered:
            rows.append([computed.what, _prints(computed.prints), "the same number, printed differently"])
    text = "Read in v1, v4, the README and the repository; numbers with their version and table."
    return TextTable(
        key="contradictions",
        title="Where the paper disagrees with itself",
        header=("What", "Printed", "Note"),
        rows=rows,
        note=text,
        text_columns=3,
    )


def _prints(values: Sequence[PublishedValue]) -> str:
    texts = (f"{value.value} ({value.version.partition(' (')[0]}, {value.table}: {value.model})" for value in values)
    return "; ".join(texts) or DASH


def _p(value: float | None) -> str:
    return DASH if value is None else "<0.001" if value < 0.001 else fixed(value, 3)


def _points(value: float | None) -> str:
    return DASH if value is None else fixed(value, 2)

"""The measured errors of a scorer: planted rates come back, and the public outputs' official scores are held."""

import random
import re
from pathlib import Path

import pytest

from bench.agreement.errors import check, family_of, measured_files
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.jsonl import read, read_lines
from vr1repro.core.records import Outcome, Verdict
from vr1repro.reporting.run.scorer_errors import packaged
from vr1repro.reporting.statistics.scorer_error import MeasuredFile, corrected

RATES = {"right": 0.95, "wrong": 0.04, "unparsable": 0.3}
CONFIDENCE = ReportSettings().confidence


def planted(name: str, shares: dict[str, float], rates: dict[str, float], n: int = 4000) -> MeasuredFile:
    counts = {v: (round(n * share), round(n * share * rates[v])) for v, share in shares.items()}
    return MeasuredFile(name=name, family=name, sha256="", counts={"question-type-free-form": counts})


def test_planted_rates_come_back_whatever_the_style() -> None:
    generator = random.Random(3)
    files = []
    for family in "abcdefgh":
        parts = [generator.random() for _ in RATES]
        shares = dict(zip(RATES, (part / sum(parts) for part in parts), strict=True))
        moved = {verdict: rate + generator.uniform(-0.02, 0.02) for verdict, rate in RATES.items()}
        files.append(planted(family, shares, moved))
    plain = {"question-type-free-form": {"right": 200, "wrong": 300, "unparsable": 500}}
    found = corrected(plain, files, CONFIDENCE)
    assert found is not None
    truth = 100 * (0.2 * 0.95 + 0.3 * 0.04 + 0.5 * 0.3)
    assert found.value == pytest.approx(truth, abs=1.5)
    assert found.low < truth < found.high
    assert found.high - found.low < 10


def test_families_that_disagree_widen_the_interval() -> None:
    shares = {"right": 0.4, "wrong": 0.4, "unparsable": 0.2}
    alike = [planted(name, shares, RATES) for name in "abcdef"]
    apart = [planted(name, shares, RATES | {"unparsable": 0.1 + 0.15 * k}) for k, name in enumerate("abcdef")]
    counts = {"question-type-free-form": {"right": 40, "wrong": 40, "unparsable": 20}}
    narrow, wide = (corrected(counts, files, CONFIDENCE) for files in (alike, apart))
    assert narrow is not None
    assert wide is not None
    assert narrow.high - narrow.low < 0.5 < 5 < wide.high - wide.low


def test_too_few_families_measure_nothing() -> None:
    assert corrected({"k": {"right": 1}}, [planted(name, {"right": 1.0}, RATES) for name in "abc"], CONFIDENCE) is None


def test_a_benchmark_that_nobody_measured_has_none() -> None:
    assert packaged("mathverse") is None
    errors = packaged("mathvista")
    assert errors is not None
    assert (errors.profile, errors.stands_for, len(errors.files)) == ("rule", "official", 13)


@pytest.mark.slow
def test_official_scores_are_held(shared: Path, tmp_path: Path) -> None:
    """Inside the plain bounds in 12 of 13 files; intervals that were measured without the file's family hold all 13."""
    files = list(measured_files(shared, tmp_path, workers=2))
    table = packaged("mathvista")
    assert table is not None
    assert files == table.files
    told = check(files, CONFIDENCE).splitlines()[-1]
    assert told == "inside the bounds: 12 of 13; measured intervals hold 13, median width 8.0"
    assert sorted({file.family for file in files}) == sorted({family_of(Path(file.name).stem) for file in files})
    # The exception: the model makes up further questions, and the extraction is the answer to the last of them.
    name = "claude_2shot_solution_use_ocr.jsonl"
    ours = {row.id: row.verdict for row in read(tmp_path / name, Verdict)}
    texts = [
        str(row["response"])
        for _, row in read_lines(shared / "mathvista" / "outputs" / name)
        if ours[row["pid"]] is Outcome.RIGHT and not row["current_true_false"]
    ]
    made_up = [text for text in texts if re.search(r"\bQuestion:|Choices:|Hint:", text)]
    assert (len(texts), len(made_up)) == (51, 46)

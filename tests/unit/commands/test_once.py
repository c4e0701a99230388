"""Options that take one value."""

import pytest
from typer.testing import CliRunner

from vr1repro.cli import app


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("compare", "--profile", "official", "--profile", "rule"), "--profile: given 2 times, and takes one value"),
        (("grade", "--out", "a", "--out", "b", "--out", "c"), "--out: given 3 times, and takes one value"),
        (("compare-graders", "--benchmark", "mme", "--benchmark", "mmstar"), "--benchmark: given 2 times"),
    ],
)
def test_a_second_value_is_refused(words: tuple[str, ...], message: str) -> None:
    assert message in str(CliRunner().invoke(app, words).exception)


def test_a_repeatable_option_is_repeated() -> None:
    words = ("compare", "--responses", "a", "--responses", "b", "--out", "c", "--same-weights", "--no-same-weights")
    assert "a: no such file or folder of responses" in str(CliRunner().invoke(app, words).exception)

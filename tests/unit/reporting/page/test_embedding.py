"""Data in scripts: whatever a response holds, it stays data."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vr1repro.reporting.page.embedding import script

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def value_of(text: str) -> object:
    match = re.fullmatch(r'vr1\.load\("name",(.*)\);\n', text)
    assert match is not None
    return json.loads(match[1])


@given(VALUES)
def test_it_comes_back_as_it_was(value: object) -> None:
    assert value_of(script("name", value)) == value


@pytest.mark.parametrize(
    "text",
    ["</script><script>alert(1)</script>", "<!--", "]]>", "\u2028\u2029", "\ud800", "\x00\x7f", "é€😀", "\\u003c"],
)
def test_nothing_in_it_ends_a_script(text: str) -> None:
    written = script("name", [text])
    assert written.isascii()
    assert "<" not in written
    assert written.count("\n") == 1
    assert value_of(written) == [text]


def test_what_json_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        script("name", float("nan"))

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vr1repro.coldset.words import RULES, WORDS, count, published, table, whole


def by_rule(text: str, word: str) -> dict[str, int]:
    place = WORDS.index(word) * len(RULES)
    return dict(zip(RULES, count(text)[place : place + len(RULES)], strict=True))


@pytest.mark.parametrize(
    ("text", "word", "counts"),
    [
        ("Wait, wait. WAIT! waiting; await", "Wait", (3, 1, 5, 1, 1, 1, 1, 1)),
        ("Check: I checked, re-check it and _check it", "Check", (2, 1, 4, 1, 1, 1, 1, 1)),
        ("Hmm. hmmm", "Hmm", (1, 1, 2, 1, 1, 1, 1, 1)),
        ("waitwait", "Wait", (0, 0, 2, 0, 0, 0, 1, 0)),
        ("nothing of it", "Mistake", (0,) * 8),
        ("", "Alternatively", (0,) * 8),
    ],
)
def test_each_rule_counts_as_it_is_named(text: str, word: str, counts: tuple[int, ...]) -> None:
    assert tuple(by_rule(text, word).values()) == counts


PIECES = st.sampled_from([*WORDS, *map(str.lower, WORDS), "WAIT", "ing", "ed", "_", "\u00e9", "-", " ", "\n", ". "])


@given(st.lists(PIECES, max_size=30).map("".join))
def test_whole_words_are_those_of_the_plain_regex(text: str) -> None:
    for word in WORDS:
        found = re.findall(rf"(?<!\w){word}(?!\w)", text, re.IGNORECASE)
        assert by_rule(text, word)["whole_any_case"] == len(found)
        assert by_rule(text, word)["whole_as_printed"] == found.count(word)
        assert by_rule(text, word)["samples_part_any_case"] == (word.lower() in text.lower())


@pytest.mark.parametrize(
    ("text", "word", "lowered", "ignoring_case"),
    [
        ("Mi\u017ftake", "Mistake", 0, 1),  # the long s is an s to IGNORECASE, and is lower case already
        ("Wa\u0131t", "Wait", 0, 1),  # and so is the dotless i
        ("Wa\u0130t", "Wait", 0, 1),  # the dotted capital I becomes two characters in lower case
        ("\u0130wait", "Wait", 1, 0),  # of which the second, a combining dot, is no word character
        ("Chec\u212a", "Check", 1, 1),  # the sign for kelvin is a k to both
        ("\u00e9wait", "Wait", 0, 0),
    ],
)
def test_the_two_readings_of_any_case_differ_in_letters_beyond_ascii_only(
    text: str, word: str, lowered: int, ignoring_case: int
) -> None:
    assert by_rule(text, word)["whole_any_case"] == lowered
    assert len(whole(word, any_case=True).findall(text)) == ignoring_case
    assert len(re.findall(rf"(?<!\w){word}(?!\w)", text, re.IGNORECASE)) == ignoring_case


def test_the_table_stands_beside_the_published_counts() -> None:
    rows = {row["word"]: row for row in table(count("Wait. Hmm. wait"), chains=4)}
    assert rows["Wait"]["whole_any_case"] == 2
    assert rows["Wait"]["per_1000"]["whole_any_case"] == 500
    assert rows["Hmm"]["part_as_printed"] == 1
    assert set(published()) == set(WORDS)
    assert rows["Wait"]["published"] == 585_719
    assert table(count(""), chains=0)[0]["per_1000"]["whole_any_case"] is None

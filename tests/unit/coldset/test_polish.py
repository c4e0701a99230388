import pytest
from hypothesis import given
from hypothesis import strategies as st

from vr1repro.coldset.polish import polish


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("The description says that x = 3.", "The image shows that x = 3."),
        ("so the image description mentions a bar", "so the image shows a bar"),
        ("According to the given description, two", "According to the image, two"),
        ("Based on the above image description we", "Based on the image we"),
        ("In the caption there is", "In the image there is"),
        ("the detailed description", "the image"),
        ("As described in the caption, two", "As shown in the image, two"),
        ("The description doesn't mention units.", "The image doesn't show units."),
        ("a radius mentioned in the description", "a radius shown in the image"),
        ("The text says 4 and the user mentions 5", "The image shows 4 and the image shows 5"),
        ("From the description of the image, x = 2", "From the image, x = 2"),
        ("the image's description said so", "the image shows so"),
        ("A description of motion", "A description of motion"),
        ("The image shows a row", "The image shows a row"),
    ],
)
def test_phrases(before: str, after: str) -> None:
    assert polish(before)[0] == after


def test_no_word_is_doubled_as_in_the_papers_samples() -> None:
    text = "The image description displays a row. The provided image description shows two. The caption describes it."
    polished, _ = polish(text)
    assert polished == "The image displays a row. The image shows two. The image shows it."


def test_replacements_are_counted_by_rule() -> None:
    _, counts = polish("The description says 1. The description says 2. In the caption 3.")
    assert counts == {"description-says": 2, "in-the-description": 1}


CLEAN = ["Wait, check: 3+4=7.", "The image shows a bar.", "So x > 2."]
LEAKS = ["The description says 3.", "according to the provided caption, 4.", "In the image description: 5."]


@given(st.lists(st.sampled_from(CLEAN + LEAKS)))
def test_leaks_go_and_the_rest_stays(sentences: list[str]) -> None:
    text, counts = polish(" ".join(sentences))
    assert "description" not in text
    assert "caption" not in text
    assert counts.total() == sum(sentence in LEAKS for sentence in sentences)
    assert all(text.count(clean) == sentences.count(clean) for clean in CLEAN)

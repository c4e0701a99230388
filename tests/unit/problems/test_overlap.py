"""What counts as the same problem, on made and on real pairs."""

import io
import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vr1repro.config.problems import OverlapSettings
from vr1repro.core.jsonl import write_rows
from vr1repro.core.problem_files import write_problems
from vr1repro.core.records import Problem
from vr1repro.problems.overlap import Index, image_hashes, image_score, item
from vr1repro.problems.overlap_files import compare_files

SETTINGS = OverlapSettings()
QUESTION = "In triangle ABC the side AB has length 12 and the angle at C is 35 degrees. Find the area of the triangle."


def picture(seed=0, kind="PNG", size=(240, 180)):
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for _ in range(8):
        points = [(int(x), int(y)) for x, y in rng.uniform(0.1, 0.9, (3, 2)) * np.array(size)]
        draw.polygon(points, outline="black", fill=tuple(int(x) for x in rng.integers(0, 255, 3)))
    buffer = io.BytesIO()
    image.save(buffer, format=kind)
    return buffer.getvalue()


def edited(data, change, kind="JPEG"):
    buffer = io.BytesIO()
    change(Image.open(io.BytesIO(data)).convert("RGB")).save(buffer, format=kind, quality=70)
    return buffer.getvalue()


def problem(text, **more):
    return Problem(id="1", source="s", question=text, answer="1", **more)


def text_score(one, other):
    filler = [problem(f"How many {word} boxes does the farmer carry to the barn?") for word in ("red", "blue", "tall")]
    index = Index([item(row) for row in [problem(other), *filler]])
    return index.text_score(item(problem(one)), index.items[0])


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        (QUESTION, True),
        (QUESTION.upper().replace(".", " ."), True),
        ("<image1>\n" + QUESTION.replace("12", "$12$"), True),
        ("Given the figure. " + QUESTION, True),
        (QUESTION.replace("12", "14").replace("35", "50"), False),
        ("How many apples does Anna have if she buys 12 and eats 35 of them on the same day?", False),
    ],
)
def test_numbers_tell_a_copy_from_its_template(changed, same):
    assert (text_score(changed, QUESTION) >= SETTINGS.text) is same


def test_a_question_that_says_little_is_compared_by_its_picture_alone():
    assert text_score("What is x?", "What is x?") == 0.0


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: image.resize((image.width // 2, image.height // 2)),
        lambda image: image.crop((12, 9, image.width - 12, image.height - 9)),
    ],
)
def test_pictures_are_known_after_editing(change):
    original = image_hashes(picture())
    assert image_score(original, image_hashes(edited(picture(), change))) >= SETTINGS.image
    assert image_score(original, image_hashes(picture(1))) < SETTINGS.image


def test_what_cannot_be_read_matches_nothing():
    assert image_hashes(b"") is None
    assert image_hashes(b"\x89PNG nothing") is None
    assert image_score(None, image_hashes(picture())) == 0.0


def test_the_report_names_pairs(tmp_path):
    training = [
        problem(QUESTION, image=picture(5)),
        problem("Nothing like it at all, whatever is asked here of anyone", image=picture(2)).model_copy(
            update={"id": "2"}
        ),
        problem("Only its picture is the same as that of some question", image=picture(1)).model_copy(
            update={"id": "3"}
        ),
    ]
    write_problems(tmp_path / "training.parquet", training)
    rows = [
        {"id": "a", "source": "b", "question": QUESTION, "answer": "1", "image": None, "metadata": "{}"},
        {"id": "b", "source": "b", "question": "Other words", "answer": "1", "image": "missing.png", "metadata": "{}"},
    ]
    write_rows(tmp_path / "bench.jsonl", rows)
    write_problems(tmp_path / "pictures.parquet", [problem("Which one?", image=picture(1))])
    asked = [f"one={tmp_path / 'bench.jsonl'}", f"two={tmp_path / 'pictures.parquet'}"]
    text = compare_files([tmp_path / "training.parquet"], asked, SETTINGS, tmp_path / "out")
    pairs = [json.loads(line) for line in (tmp_path / "out" / "pairs.jsonl").read_text().splitlines()]
    assert [(row["id"], row["benchmark"], row["benchmark_id"], row["why"]) for row in pairs] == [
        ("1", "one", "a", "text"), ("3", "two", "1", "image"),
    ]  # fmt: skip
    assert "| s | one | 3 | 1 | 1 | 0 | 0 | 1 |" in text
    assert json.loads((tmp_path / "out" / "overlap.json").read_text())["skipped"] == {"image_missing": 1}


def test_mathvision_in_the_rl_data_is_found_in_the_benchmark(shared, tmp_path):
    """The overlap that the paper's mix has: MathVision problems, in another schema, against all of MathVision."""
    from vr1repro.config.problems import ProblemSource
    from vr1repro.problems.load import load_problems

    path = shared / "mathvision" / "problems-240.parquet"
    rows = list(load_problems(ProblemSource(kind="path", path=str(path), limit=60)))
    write_problems(tmp_path / "rl.parquet", [row.model_copy(update={"source": "rl"}) for row in rows])
    asked = [f"mathvision={shared / 'mathvision' / 'questions.jsonl'}"]
    compare_files([tmp_path / "rl.parquet"], asked, SETTINGS, tmp_path / "out")
    pairs = [json.loads(line) for line in (tmp_path / "out" / "pairs.jsonl").read_text().splitlines()]
    found = {row["id"] for row in pairs if row["id"] == row["benchmark_id"]}
    wrong = [row for row in pairs if row["id"] != row["benchmark_id"]]
    # Questions of a few words are left to the picture, and here one side has none.
    assert len(found) >= 0.85 * len(rows)
    assert len(wrong) <= 0.1 * len(rows)

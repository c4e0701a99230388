"""Sources of problems: files, folders and zips; what is left out is counted by reason."""

import io
import json
import zipfile

import pytest
from PIL import Image
from pydantic import ValidationError

from vr1repro.config.problems import ProblemSource
from vr1repro.core.errors import UserError
from vr1repro.core.images import BadImage, decode, open_image
from vr1repro.core.jsonl import read_lines
from vr1repro.core.problem_files import write_problems
from vr1repro.core.records import Problem
from vr1repro.problems.load import Skips, load_problems


def picture(width=8, height=6, mode="RGB", kind="PNG"):
    buffer = io.BytesIO()
    Image.new(mode, (width, height)).save(buffer, format=kind)
    return buffer.getvalue()


def mmmath(file_name, **change):
    row = {"question": "Find x.", "file_name": file_name, "solution": r"\boxed{4}", "year": "y", "difficult": "d",
           "knowledge": "k"}  # fmt: skip
    return {**row, **change}


@pytest.fixture
def folder(tmp_path):
    """MM-Math's own layout, with one good row and one row of each fault."""
    (tmp_path / "images").mkdir()
    for name, data in {
        "good.png": picture(),
        "empty.png": b"",
        "text.png": b"not a picture",
        "cut.png": picture(64, 64)[:60],
        "huge.png": picture(200, 200),
    }.items():
        (tmp_path / "images" / name).write_bytes(data)
    (tmp_path / "secret.png").write_bytes(picture())
    rows = [
        mmmath("good.png"),
        mmmath("empty.png"),
        mmmath("text.png"),
        mmmath("cut.png"),
        mmmath("huge.png"),
        mmmath("absent.png"),
        mmmath("../secret.png"),
        mmmath(""),
        mmmath("good.png", solution="none"),
        mmmath("good.png", id="0"),
        mmmath(7),
    ]
    (tmp_path / "MM_Math.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_bad_rows_are_left_out_and_counted_by_reason(folder):
    skips = Skips()
    source = ProblemSource(kind="path", path=str(folder), images="images", max_pixels=10_000)
    problems = list(load_problems(source, skips))
    assert [problem.id for problem in problems] == ["0"]
    assert skips.counts() == {
        "duplicate_id": 1,
        "image_empty": 1,
        "image_missing": 1,
        "image_outside_folder": 1,
        "image_too_large": 1,
        "image_unreadable": 3,
        "no_answer": 1,
        "no_image": 1,
    }
    skips.write(folder / "skipped.jsonl")
    rows = [row for _, row in read_lines(folder / "skipped.jsonl")]
    assert [row["row"] for row in rows] == list(range(1, 11))
    assert all(row["reason"] and row["detail"] for row in rows)


def test_a_zip_of_images_gives_the_same_problems(folder):
    with zipfile.ZipFile(folder / "Image.zip", "w") as archive:
        for file in (folder / "images").iterdir():
            archive.write(file, f"images/{file.name}")
    base = {"kind": "path", "path": str(folder / "MM_Math.jsonl"), "max_pixels": 10_000}
    from_folder = list(load_problems(ProblemSource(**base, images="images")))
    assert list(load_problems(ProblemSource(**base, images="Image.zip"))) == from_folder


def test_our_own_parquet_comes_back_as_written(tmp_path):
    problems = [
        Problem(id=str(n), source="micro", question="q", answer="1", choices=["1", "2"], image=picture(),
                metadata={"n": n, "words": "ä"})
        for n in range(3)
    ]  # fmt: skip
    write_problems(tmp_path / "problems.parquet", problems)
    assert list(load_problems(ProblemSource(kind="path", path=str(tmp_path / "problems.parquet")))) == problems


def test_a_folder_of_parquet_is_read_by_the_datasets_library(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    (tmp_path / "hub" / "data").mkdir(parents=True)
    problems = [Problem(id="a", source="micro", question="q", answer="1", image=picture(kind="JPEG"))]
    write_problems(tmp_path / "hub" / "data" / "test-00000-of-00001.parquet", problems)
    source = ProblemSource(kind="path", path=str(tmp_path / "hub"), split="test")
    # The encoded bytes survive: pictures are not decoded and written anew.
    assert list(load_problems(source)) == problems


def test_the_real_mathvision_rows_are_all_problems(shared):
    skips = Skips()
    path = shared / "mathvision" / "problems-240.parquet"
    problems = list(load_problems(ProblemSource(kind="path", path=str(path)), skips))
    assert (len(problems), skips.counts()) == (240, {})
    assert {problem.source for problem in problems} == {"mathvision"}
    assert all(problem.image and problem.metadata["subject"] for problem in problems)


def test_limit_counts_problems_not_rows(folder):
    source = ProblemSource(kind="path", path=str(folder), images="images", limit=1)
    assert len(list(load_problems(source))) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no row is a problem"),
        ('{"prompt": "x"}\n', "fit no known schema"),
        ("nonsense\n", "not JSON"),
    ],
)
def test_unusable_files_are_named(tmp_path, content, message):
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        list(load_problems(ProblemSource(kind="path", path=str(path))))
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        list(load_problems(ProblemSource(kind="path", path=str(tmp_path / "absent.parquet"))))


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "hub"},
        {"kind": "path"},
        {"kind": "path", "path": "x", "id": "a/b"},
        {"kind": "hub", "id": "a/b", "revision": "main"},
        {"kind": "path", "path": "x", "max_pixel": 3},
    ],
)
def test_impossible_sources_are_refused(values):
    with pytest.raises(ValidationError):
        ProblemSource(**values)


def test_the_pixel_limit_is_checked_before_decoding():
    bomb = picture(1000, 1000)
    with pytest.raises(BadImage) as caught:
        open_image(bomb, 999_999)
    assert caught.value.reason == "image_too_large"
    assert open_image(bomb, 1_000_000).size == (1000, 1000)


def test_transparency_is_laid_on_white():
    buffer = io.BytesIO()
    Image.new("RGBA", (2, 2), (0, 0, 0, 0)).save(buffer, format="PNG")
    assert decode(buffer.getvalue(), 100).getpixel((0, 0)) == (255, 255, 255)

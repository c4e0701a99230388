"""Questions' pictures: found, checked, made smaller; drawn again where a kept run lost them."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from vr1repro.benchmarks.questions import without_pictures
from vr1repro.config.loader import load
from vr1repro.config.run import LabBenchmark
from vr1repro.core.records import sha256
from vr1repro.lab.benchmarks import write_benchmark
from vr1repro.reporting.lineage.archive import draw_again
from vr1repro.reporting.page.pictures import read_shown_questions


def encoded(size: tuple[int, int], kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "navy").save(buffer, kind)
    return buffer.getvalue()


def write(folder: Path, pictures: list[bytes | None]) -> Path:
    rows = [
        {
            "pid": str(k),
            "question": f"<b>{k}</b>",
            "answer": "8",
            "choices": ["4", "8"] if k else None,
            "image": f"images/{k}.png",
            "decoded_image": None if data is None else {"bytes": data, "path": None},
        }
        for k, data in enumerate(pictures)
    ]
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "test.parquet")
    return folder


def test_pictures_are_named_by_their_hash_and_shared(tmp_path: Path) -> None:
    small = encoded((40, 20))
    folder = write(tmp_path / "problems", [small, small])
    asked = list(read_shown_questions(folder, "mathvista", tmp_path / "out", 900))
    assert [question.id for question in asked] == ["0", "1"]
    assert asked[0].sha == sha256(small)
    assert (asked[0].width, asked[0].height) == (40, 20)
    assert asked[1].choices == ("4", "8")
    assert [path.read_bytes() for path in (tmp_path / "out").iterdir()] == [small]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_large_or_odd_pictures_become_small_ones(tmp_path: Path, kind: str) -> None:
    folder = write(tmp_path / "problems", [encoded((400, 100), kind)])
    [question] = read_shown_questions(folder, "mathvista", tmp_path / "out", 200)
    assert (question.width, question.height) == (200, 50)
    assert question.sha == sha256(encoded((400, 100), kind))
    with Image.open(tmp_path / "out" / str(question.file)) as picture:
        assert picture.format == "WEBP"
        assert picture.size == (200, 50)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "image missing"),
        (b"not a picture", "image unreadable"),
        (encoded((40, 20))[:60], "image unreadable"),
        (b"<svg onload='alert(1)'/>", "image unreadable"),
    ],
)
def test_a_bad_picture_is_said_to_be_bad(tmp_path: Path, data: bytes | None, why: str) -> None:
    folder = write(tmp_path / "problems", [data])
    [question] = read_shown_questions(folder, "mathvista", tmp_path / "out", 900)
    assert why in question.why
    assert question.file is None
    assert not (tmp_path / "out").exists()


def test_pictures_can_be_switched_off(tmp_path: Path) -> None:
    folder = write(tmp_path / "problems", [encoded((40, 20))])
    [question] = read_shown_questions(folder, "mathvista", tmp_path / "out", 0)
    assert question.file is None
    assert "switched off" in question.why


@pytest.mark.parametrize("slug", ["mathvista", "mathverse", "mmmath"])
def test_a_kept_run_gets_its_drawn_pictures_back(repo: Path, tmp_path: Path, slug: str) -> None:
    config = load(repo / "config" / "smoke.yaml")
    source, lab = config.benchmarks[slug], config.lab
    assert isinstance(source, LabBenchmark)
    assert lab is not None
    folder = tmp_path / "run" / "problems" / slug
    folder.mkdir(parents=True)
    whole = write_benchmark(lab.world, slug, source.n, config.seeds.data, folder)
    before = whole.read_bytes()
    whole.write_bytes(without_pictures(whole))
    assert all(question.file is None for question in read_shown_questions(folder, slug, tmp_path / "none", 900))
    assert draw_again(tmp_path / "run", config) == [slug]
    assert whole.read_bytes() == before
    assert all(question.file for question in read_shown_questions(folder, slug, tmp_path / "out", 900))


def test_other_questions_than_the_config_draws_keep_none(repo: Path, tmp_path: Path) -> None:
    config = load(repo / "config" / "smoke.yaml")
    folder = write(tmp_path / "run" / "problems" / "mathvista", [None])
    before = (folder / "test.parquet").read_bytes()
    assert draw_again(tmp_path / "run", config) == []
    assert (folder / "test.parquet").read_bytes() == before

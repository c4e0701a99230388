"""Which files a row's image path may lead to."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from vr1repro.config.problems import ProblemSource
from vr1repro.core.fetch import link
from vr1repro.core.images import BadImage, FolderImages
from vr1repro.problems.fetch import fetch_benchmark, linked_source
from vr1repro.problems.load import load_problems

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """A snapshot in the hub's cache as its client lays it out, beside that of another repository and a private file."""
    cache = tmp_path / "hub"
    for name, colour in (("datasets--a--mine", "red"), ("datasets--a--other", "green")):
        blobs, folder = cache / name / "blobs", cache / name / "snapshots" / COMMIT / "deep"
        blobs.mkdir(parents=True)
        folder.mkdir(parents=True)
        (blobs / "sha").write_bytes(png(colour))
        (folder.parent / "top.png").symlink_to("../../blobs/sha")
        (folder / "low.png").symlink_to("../../../blobs/sha")
        (cache / name / "refs").mkdir()
        (cache / name / "refs" / "main").write_text(COMMIT)
    (tmp_path / "secret.png").write_bytes(png("blue"))
    mine = cache / "datasets--a--mine" / "snapshots" / COMMIT
    (mine / "to-secret.png").symlink_to(tmp_path / "secret.png")
    (mine / "to-other.png").symlink_to(cache / "datasets--a--other" / "blobs" / "sha")
    (mine / "to-refs.png").symlink_to("../../refs/main")
    (mine / "to-parent").symlink_to("../../blobs")
    return mine


@pytest.mark.parametrize("below", ["", "deep"])
def test_the_links_of_a_snapshot_lead_to_its_repositorys_files(snapshot: Path, below: str) -> None:
    store = FolderImages(snapshot / below)
    assert store.read("low.png" if below else "top.png") == png("red")
    assert below or store.read("deep/low.png") == png("red")


@pytest.mark.parametrize(
    "path",
    [
        "to-secret.png", "to-other.png", "to-refs.png", "../../blobs/sha", "deep/../../../blobs/sha",
        "to-parent/../refs/main", "../../../../secret.png", "../../../datasets--a--other/blobs/sha",
    ],
)  # fmt: skip
def test_nothing_else_is_read_through_a_snapshot(snapshot: Path, path: str) -> None:
    with pytest.raises(BadImage) as caught:
        FolderImages(snapshot).read(path)
    assert caught.value.reason in ("image_outside_folder", "image_missing")
    with pytest.raises(BadImage) as caught:
        FolderImages(snapshot).read(str((snapshot / path).resolve()))
    assert caught.value.reason == "image_outside_folder"


def test_a_folder_that_is_no_snapshot_has_no_blobs(snapshot: Path, tmp_path: Path) -> None:
    """The names of two folders are not enough: the repository's folder must be the hub's."""
    folder = tmp_path / "data" / "snapshots" / "v1"
    folder.mkdir(parents=True)
    (tmp_path / "data" / "blobs").mkdir()
    (tmp_path / "data" / "blobs" / "a.png").write_bytes(png("blue"))
    (folder / "a.png").symlink_to("../../blobs/a.png")
    with pytest.raises(BadImage, match="image_outside_folder"):
        FolderImages(folder).read("a.png")


def test_pictures_that_were_linked_into_a_run_are_read(tmp_path: Path, snapshot: Path) -> None:
    """A benchmark with a folder of pictures, brought as links that a manifest closes; later links are not in it."""
    source = tmp_path / "source"
    (source / "images").mkdir(parents=True)
    (source / "images" / "a.png").write_bytes(png("red"))
    row = {"question": "Find x.", "file_name": "a.png", "solution": r"\boxed{4}", "year": "y", "difficult": "d",
           "knowledge": "k"}  # fmt: skip
    (source / "MM_Math.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    where, out = ProblemSource(kind="path", path=str(source), images="images"), tmp_path / "run" / "mmmath"
    fetch_benchmark(where, out)
    (problem,) = load_problems(linked_source(where, out, "mmmath"))
    assert problem.image == png("red")
    (out / "images" / "later.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(BadImage, match="image_outside_folder"):
        FolderImages(out / "images").read("later.png")
    (source / "images" / "a.png").write_bytes(png("green"))
    with pytest.raises(BadImage, match="image_outside_folder"):
        FolderImages(out / "images").read("a.png")
    link(snapshot / "deep", tmp_path / "run" / "deep", "problems", {}, COMMIT)
    assert FolderImages(tmp_path / "run" / "deep").read("low.png") == png("red")


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", '{"content": null}'])
def test_a_file_of_a_manifests_name_closes_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "outside.png").write_bytes(png("blue"))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "manifest.json").write_text(text)
    (tmp_path / "set" / "a.png").symlink_to(tmp_path / "outside.png")
    with pytest.raises(BadImage, match="image_outside_folder"):
        FolderImages(tmp_path / "set").read("a.png")

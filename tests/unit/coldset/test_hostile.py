"""A full disk, pictures that are none, tags where no tag may be: a counted rejection or one clear error."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from full_disk import PROBLEMS, SETTINGS
from PIL import Image
from rich.progress import Progress

from vr1repro.coldset.bridge import bridge
from vr1repro.coldset.ledger import Ledger
from vr1repro.coldset.merge import merge
from vr1repro.config.problems import ProblemSource
from vr1repro.core.images import BadImage
from vr1repro.core.jsonl import read, write_rows
from vr1repro.core.problem_files import write_problems
from vr1repro.core.records import Trace
from vr1repro.engines.base import Completion, Request
from vr1repro.engines.endpoint.protocol import data_url
from vr1repro.problems.load import Skips, load_problems

FREE = 2**30
REQUESTS = 3 * len(PROBLEMS)


def under_limit(what: str, out: Path, limit: int) -> subprocess.CompletedProcess[str]:
    script = Path(__file__).with_name("full_disk.py")
    return subprocess.run(
        [sys.executable, str(script), what, str(out), str(limit)], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard that was bridged on a disk with room."""
    out = tmp_path_factory.mktemp("whole")
    assert under_limit("bridge", out, FREE).returncode == 0
    return out


@pytest.mark.parametrize("room", [100, 2_000, 60_000])
def test_bridging_on_a_full_disk_says_so_and_goes_on_where_it_stopped(whole: Path, tmp_path: Path, room: int) -> None:
    full = under_limit("bridge", tmp_path, room)
    assert full.returncode == 1
    assert "jsonl: cannot be written: File too large; what was finished is kept" in full.stderr
    assert "Traceback" not in full.stderr
    ledger = (tmp_path / "ledger.jsonl").read_text()
    held = [json.loads(line)["request_sha"] for line in ledger.splitlines()]
    assert len(held) < REQUESTS
    assert not ledger or ledger.endswith("\n")
    again = under_limit("bridge", tmp_path, FREE)
    assert again.returncode == 0, again.stderr
    # Only the one request whose reply could not be written is asked a second time.
    asked = full.stdout.split() + again.stdout.split()
    assert len(asked) - len(set(asked)) <= 1
    assert not set(held) & set(again.stdout.split())
    assert (tmp_path / "drafts.jsonl").read_bytes() == (whole / "drafts.jsonl").read_bytes()


# The last is room for the traces, but not for the set.
@pytest.mark.parametrize("room", [100, 20_000, 120_000])
def test_merging_on_a_full_disk_says_so_and_leaves_no_half_set(whole: Path, tmp_path: Path, room: int) -> None:
    (tmp_path / "drafts.jsonl").write_bytes((whole / "drafts.jsonl").read_bytes())
    full = under_limit("merge", tmp_path, room)
    assert full.returncode == 1
    assert "cannot be written: File too large" in full.stderr
    assert "Traceback" not in full.stderr
    assert not list((tmp_path / "set").iterdir())
    again = under_limit("merge", tmp_path, FREE)
    assert again.returncode == 0, again.stderr
    assert pq.read_table(tmp_path / "set" / "coldset.parquet").num_rows == len(PROBLEMS)


def encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


class Saying:
    """Answers with the text that the question asks for."""

    @property
    def settings(self) -> dict[str, object]:
        return {"kind": "saying"}

    def attach(self, ledger: Ledger, steps: Sequence[str]) -> None:
        pass

    def cost(self, completion: Completion) -> float | None:
        return None

    def complete(self, step: str, requests: Mapping[str, Request]) -> Iterator[tuple[str, Completion]]:
        for sha, request in requests.items():
            text = request.text.split("Say: ")[-1]
            yield sha, Completion(key=request.key, text=text, n_tokens=None, finish_reason="stop")


def test_pictures_that_are_none_and_tags_inside_are_counted_and_the_rest_is_kept(tmp_path: Path) -> None:
    good = encoded(Image.new("RGB", (30, 20), "red"))
    pictures = {
        "good.png": good,
        "empty.png": b"",
        "text.png": b"no picture",
        "torn.png": encoded(Image.effect_noise((200, 200), 50))[:9000],
        "huge.png": encoded(Image.new("1", (20_000, 20_000))),
    }
    for name, data in pictures.items():
        (tmp_path / name).write_bytes(data)
    right = "<think>I see 7, so it is 7.</think><answer> Final Answer:7 </answer>"
    replies = {
        "right": right,
        "closed-inside": "<think>It is </answer> 7.</think><answer> Final Answer:7 </answer>",
        "two-answers": right + "<answer> Final Answer:7 </answer>",
        "opened-in-answer": "<think>It is 7.</think><answer> Final Answer:<think>7 </answer>",
    }
    rows = [
        {"id": name, "images": ["good.png"], "problem": f"Say: {reply}", "answer": "7"}
        for name, reply in replies.items()
    ]
    rows.append({"id": "gold", "images": ["good.png"], "problem": f"Say: {right}", "answer": "7 </answer>"})
    rows += [{"id": name, "images": [name], "problem": f"Say: {right}", "answer": "7"} for name in pictures]
    write_rows(tmp_path / "rows.jsonl", rows)

    skips = Skips()
    source = ProblemSource(kind="path", path=str(tmp_path / "rows.jsonl"))
    problems = list(load_problems(source, skips))
    assert skips.counts() == {"image_empty": 1, "image_too_large": 1, "image_unreadable": 2}
    write_problems(tmp_path / "problems.parquet", problems)
    with Progress(disable=True) as progress:
        bridge(problems, SETTINGS, Saying(), Saying(), 1, tmp_path, progress)
    report = merge([tmp_path / "problems.parquet"], [tmp_path / "drafts.jsonl"], SETTINGS, tmp_path / "set", 1)
    assert report["kept"] == 2
    assert {name: n for name, n in report["rejected"].items() if n} == {"tags-inside": 3, "several-answers": 1}
    traces = {trace.id: trace.rejected for trace in read(tmp_path / "set" / "traces.jsonl", Trace)}
    assert traces == {
        "right": None, "good.png": None, "closed-inside": "tags-inside", "gold": "tags-inside",
        "opened-in-answer": "tags-inside", "two-answers": "several-answers",
    }  # fmt: skip
    kept = pq.read_table(tmp_path / "set" / "coldset.parquet").to_pylist()
    assert [row["image"]["bytes"] for row in kept] == [good, good]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "image_empty"),
        (b"no picture", "image_unreadable"),
        (encoded(Image.new("1", (20_000, 20_000))), "too_large"),
    ],
)
def test_a_picture_that_went_bad_after_loading_is_never_sent(data: bytes, reason: str) -> None:
    with pytest.raises(BadImage, match=reason):
        data_url(data, None)

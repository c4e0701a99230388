"""The released set's two files, whose schemas clash, come together as one set."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from vr1repro.coldset.released import take
from vr1repro.config.models import LocalData
from vr1repro.core.errors import UserError
from vr1repro.core.problem_files import read_problems

CHAIN = "<think>It shows 7. Wait, 3+4=7.</think><answer> Final Answer:7 </answer>"


def arrange(folder: Path) -> None:
    """Both files as Osilly/Vision-R1-cold has them, images beside them as its README says."""
    for name in ("llava/a.png", "mulberry/b.png"):
        buffer = io.BytesIO()
        Image.new("RGB", (30, 20), "red").save(buffer, format="PNG")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(buffer.getvalue())
    llava = [
        {"id": "1", "image": "llava/a.png", "conversations": [
            {"from": "human", "value": "<image>\nHow many?"}, {"from": "gpt", "value": CHAIN}]},
        {"id": "2", "image": "llava/a.png", "conversations": [
            {"from": "human", "value": "<image>\nHow many?"}, {"from": "gpt", "value": "The final answer is: 7"}]},
        {"id": "3", "image": "llava/none.png", "conversations": [
            {"from": "human", "value": "<image>\nHow many?"}, {"from": "gpt", "value": CHAIN}]},
    ]  # fmt: skip
    mulberry = [
        {"images": ["mulberry/b.png"], "conversations": [
            {"role": "user", "content": "<image>Which?"}, {"role": "assistant", "content": CHAIN}]},
    ]  # fmt: skip
    (folder / "vision_r1_llava_cot_full.json").write_text(json.dumps(llava))
    (folder / "vision_r1_mulberry_sft_full.json").write_text(json.dumps(mulberry))


def test_both_files_are_read_and_what_is_no_completion_is_counted(tmp_path: Path) -> None:
    arrange(tmp_path / "data")
    facts = take(LocalData(kind="path", path=str(tmp_path / "data")), tmp_path / "out")
    assert (facts["kept"], facts["skipped"]) == (2, {"image_missing": 1, "not_a_completion": 1})
    rows = {row.source: row for row in read_problems(tmp_path / "out" / "coldset.parquet")}
    assert {source: (row.question, row.answer) for source, row in rows.items()} == {
        "llava-cot": ("How many?", "7"), "mulberry": ("Which?", "7"),
    }  # fmt: skip
    assert all(row.metadata["completion"] == CHAIN for row in rows.values())
    assert all(row.metadata["answer_only"] == "<answer> Final Answer:7 </answer>" for row in rows.values())
    assert all(row.image for row in rows.values())


def test_a_folder_without_the_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no usable row"):
        take(LocalData(kind="path", path=str(tmp_path)), tmp_path / "out")

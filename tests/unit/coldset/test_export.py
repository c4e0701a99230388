"""The set as others load it: TRL's own collator, and the keys that LLaMA-Factory documents."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from coldset_settings import coldset_settings
from PIL import Image

from vr1repro.coldset.merge import merge
from vr1repro.coldset.records import Draft
from vr1repro.core.jsonl import write_rows
from vr1repro.core.problem_files import write_problems
from vr1repro.core.records import Problem

SETTINGS = coldset_settings()
# hiyouga/LLaMA-Factory@015ff25, data/README.md: what a data set's description may hold, and its columns. Its converter
# (02e2fb3, src/llamafactory/data/converter.py) takes one picture for a list of one.
DESCRIPTION = {"hf_hub_url", "ms_hub_url", "script_url", "file_name", "formatting", "ranking", "subset", "folder",
               "columns", "tags"}  # fmt: skip
COLUMNS = {"prompt", "query", "response", "history", "messages", "system", "tools", "images", "chosen", "rejected",
           "kto_tag"}  # fmt: skip


def picture(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (56, 28), (shade, 90, 20)).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of two pictured problems, one of them with choices, and one without a picture."""
    out = tmp_path_factory.mktemp("set")
    problems = [
        Problem(id="0", source="s", question="What is the sum?", answer="7", image=picture(10)),
        Problem(id="1", source="s", question="Which?", answer="B", choices=["6", "7"], image=picture(200)),
        Problem(id="2", source="s", question="What is 3+4?", answer="7"),
    ]
    drafts = [
        Draft(id=one.id, source="s", pseudo_cot="p", description="d", finished=True,
              reply=f"<think>The description says {one.id}.</think><answer> Final Answer:{one.answer} </answer>")
        for one in problems
    ]  # fmt: skip
    write_problems(out / "problems.parquet", problems)
    write_rows(out / "drafts.jsonl", drafts)
    merge([out / "problems.parquet"], [out / "drafts.jsonl"], SETTINGS, out, 1)
    return out


def loaded(built: Path) -> Any:
    import datasets

    return datasets.load_dataset(
        "parquet", data_files=str(built / "coldset.parquet"), split="train", cache_dir=str(built / "cache")
    )


def test_trls_own_collator_takes_the_rows(built: Path, tiny_checkpoint: Path) -> None:
    from transformers import AutoProcessor
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    processor = AutoProcessor.from_pretrained(tiny_checkpoint)
    rows = [row for row in loaded(built) if row["image"] is not None]
    batch = DataCollatorForVisionLanguageModeling(processor)(rows)
    merge_size = processor.image_processor.merge_size
    for row, ids, grid in zip(rows, batch["input_ids"], batch["image_grid_thw"], strict=True):
        text = processor.tokenizer.decode(ids, skip_special_tokens=False)
        assert row["messages"][0]["content"] in text
        assert "<think> The image shows" in text
        assert int((ids == processor.image_token_id).sum()) == int(grid.prod()) // merge_size**2
    assert batch["labels"].shape == batch["input_ids"].shape


def test_llama_factory_finds_what_it_documents(built: Path) -> None:
    info = json.loads((built / "dataset_info.json").read_text())
    rows = loaded(built)
    for entry in info.values():
        assert set(entry) <= DESCRIPTION
        assert entry["formatting"] == "alpaca"
        assert set(entry["columns"]) <= COLUMNS
        assert (built / entry["file_name"]).is_file()
        assert set(entry["columns"].values()) <= set(rows.column_names)
        for row in rows:
            marked = row[entry["columns"]["prompt"]], row[entry["columns"]["response"]]
            pictures = [image for image in [row[entry["columns"]["images"]]] if image is not None]
            assert "".join(marked).count("<image>") == len(pictures)
            assert all(isinstance(image, Image.Image) for image in pictures)


def test_the_hubs_card_describes_the_file(built: Path) -> None:
    head = yaml.safe_load((built / "README.md").read_text().split("---")[1])
    features = {feature["name"]: feature for feature in head["dataset_info"]["features"]}
    rows = loaded(built)
    assert list(features) == rows.column_names
    assert features["image"]["dtype"] == "image"
    assert head["dataset_info"]["splits"] == [{"name": "train", "num_examples": len(rows)}]
    assert head["configs"][0]["data_files"][0]["path"] == "coldset.parquet"

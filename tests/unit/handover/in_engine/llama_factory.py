"""Run by LLaMA-Factory's Python: what its own loader, template and collator make of an export.

rows STAGE_YAML OUT: ids, labels, hash of the pixels and grid of every row, one JSON line each.
keys OUT: every key that its stage.yaml may have.
"""

import hashlib
import json
import sys
from dataclasses import fields
from pathlib import Path


def rows(settings: str, out: str) -> None:
    import yaml
    from llamafactory.data import SFTDataCollatorWith4DAttentionMask, get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    model, data, training, _, _ = get_train_args(yaml.safe_load(Path(settings).read_text()))
    loaded = load_tokenizer(model)
    template = get_template_and_fix_tokenizer(loaded["tokenizer"], data)
    read = get_dataset(template, model, data, training, stage="sft", **loaded)["train_dataset"]
    collate = SFTDataCollatorWith4DAttentionMask(
        template=template, model=None, pad_to_multiple_of=None, label_pad_token_id=-100, **loaded
    )
    with Path(out).open("w") as stream:
        for row in read:
            batch = collate([dict(row)])
            pixels = batch["pixel_values"].float().numpy().tobytes()
            line = {
                "ids": batch["input_ids"][0].tolist(),
                "labels": batch["labels"][0].tolist(),
                "pixels": hashlib.sha256(pixels).hexdigest(),
                "grid": batch["image_grid_thw"].tolist(),
            }
            stream.write(json.dumps(line) + "\n")


def keys(out: str) -> None:
    from llamafactory.hparams import DataArguments, FinetuningArguments, GeneratingArguments, ModelArguments

    sections = (ModelArguments, DataArguments, FinetuningArguments, GeneratingArguments)
    names = sorted({field.name for section in sections for field in fields(section)})
    Path(out).write_text("\n".join(names) + "\n")


if __name__ == "__main__":
    {"rows": rows, "keys": keys}[sys.argv[1]](*sys.argv[2:])

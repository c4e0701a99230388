"""Our checkpoints as transformers 4 reads them; the weights are linked, only text files are written anew.

transformers 5 saves a list of special tokens, a tokenizer class, one file for all processors and RoPE values that 4
cannot read: AutoProcessor there ends with "'list' object has no attribute 'keys'". The logits are the same in both
(tests/unit/handover/test_transformers4.py).
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from vr1repro.core.errors import UserError
from vr1repro.core.files import whole_folder, write_atomically
from vr1repro.core.outside import json_object
from vr1repro.core.provenance import MANIFEST, content_sha, write_manifest

# Read by both as they are.
_AS_THEY_ARE = ("tokenizer.json", "chat_template.jinja", "vocab.json", "merges.txt", "model.safetensors.index.json")
_FAMILIES = ("qwen2_5_vl", "qwen2_vl")


def is_for_transformers4(model: Path) -> bool:
    """Whether a folder has the files that transformers 4 reads, and none that it misreads."""
    config = json_object(model / "config.json")
    text = config.get("text_config", {})
    new = "rope_parameters" in config or (isinstance(text, dict) and "rope_parameters" in text)
    return (model / "preprocessor_config.json").exists() and not new


def export(model: Path, out: Path) -> None:
    """Write a checkpoint as transformers 4 reads it.

    Args:
        model: A folder as transformers 5 saves it.
        out: The folder to make; an older one is replaced.

    Raises:
        UserError: It is no such folder, or of a family whose files were not compared.
    """
    config = json_object(model / "config.json")
    if (family := config.get("model_type")) not in _FAMILIES:
        raise UserError(f"{model}/config.json: model_type {family}: only {' and '.join(_FAMILIES)} were compared")
    if not list(model.glob("*.safetensors")):
        raise UserError(f"{model}: holds no *.safetensors")
    if is_for_transformers4(model):
        raise UserError(f"{model}: transformers 4 reads it as it is; use it")
    processors = json_object(model / "processor_config.json")
    texts = {
        "config.json": _config(config),
        "tokenizer_config.json": _tokenizer(json_object(model / "tokenizer_config.json")),
        "preprocessor_config.json": _image_processor(processors),
        "video_preprocessor_config.json": processors["video_processor"],
    }
    if (generation := model / "generation_config.json").exists():
        texts["generation_config.json"] = _without(json_object(generation), "transformers_version")
    with whole_folder(out) as aside:
        for path in sorted(model.iterdir()):
            if path.suffix == ".safetensors":
                _link(path.resolve(), aside / path.name)
            elif path.name in _AS_THEY_ARE:
                shutil.copyfile(path, aside / path.name)
        for name, values in texts.items():
            write_atomically(aside / name, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
        inputs = {"model": content_sha(model)} if (model / MANIFEST).exists() else {}
        write_manifest(aside, "model", {"transformers": 4}, inputs)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _tokenizer(values: dict[str, Any]) -> dict[str, Any]:
    extra = values.get("extra_special_tokens", [])
    tokens = list(extra.values()) if isinstance(extra, dict) else list(extra)
    kept = _without(values, "extra_special_tokens", "backend", "is_local", "local_files_only")
    kind = values.get("tokenizer_class")
    return {
        **kept,
        "additional_special_tokens": tokens,
        "tokenizer_class": "PreTrainedTokenizerFast" if kind == "TokenizersBackend" else kind,
    }


def _image_processor(values: dict[str, Any]) -> dict[str, Any]:
    processor = values["image_processor"]
    size = processor["size"]
    # The class with torchvision's kernels, which 5 always takes.
    return {
        **processor,
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "min_pixels": size["shortest_edge"],
        "max_pixels": size["longest_edge"],
        "processor_class": values["processor_class"],
    }


def _config(values: dict[str, Any]) -> dict[str, Any]:
    dtype = values.get("dtype", "float32")
    top = _with_rope(_without(values, "dtype", "transformers_version"))
    text = top.get("text_config")
    vision = {**_without(top["vision_config"], "rope_parameters", "dtype"), "torch_dtype": dtype}
    if isinstance(text, dict):
        # 4 looks up what both have in the text's part, where 5 writes no architecture; EasyR1's merger asks for it.
        both = {"architectures": top.get("architectures"), "torch_dtype": dtype}
        top["text_config"] = {**_with_rope(_without(text, "dtype")), **both}
    return {**top, "torch_dtype": dtype, "vision_config": vision}


def _with_rope(values: dict[str, Any]) -> dict[str, Any]:
    rope = values.get("rope_parameters")
    if not rope:
        return values
    sections = {"mrope_section": rope["mrope_section"]} if "mrope_section" in rope else {}
    scaling = {"type": "mrope", "rope_type": "default", **sections} if sections else None
    return {**_without(values, "rope_parameters"), "rope_theta": rope["rope_theta"], "rope_scaling": scaling}


def _without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}

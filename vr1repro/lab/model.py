"""The lab's model: the real Qwen2.5-VL architecture and processor at about a millionth of the size."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vr1repro.config.lab import Lab, LabModel
from vr1repro.core.errors import UserError
from vr1repro.core.files import explained
from vr1repro.lab.drawing import CELL
from vr1repro.lab.tokenizer import EOS, IMAGE, PAD, VIDEO, VISION_END, VISION_START, Prompts, build_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor

_WINDOW = 112  # pixels of a vision attention window, as in the real model


def build(
    lab: Lab, prompts: Prompts, seed: int, *, tied: bool = True
) -> tuple["Qwen2_5_VLForConditionalGeneration", "Qwen2_5_VLProcessor"]:
    """Build an untrained model and its processor; equal arguments give equal weights.

    Args:
        lab: Shape and tokenizer settings.
        prompts: The bridging prompts, whose fixed parts become tokens.
        seed: Seed of the initial weights. Sets torch's global seed.
        tied: Whether the head's weights are the embedding's.
    """
    import torch
    from transformers import Qwen2_5_VLForConditionalGeneration

    processor = build_processor(lab, prompts)
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration(_config(lab.model, processor.tokenizer, tied)).float()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() >= 2:
                weight.normal_(0.0, lab.model.vision_std if "visual" in name else lab.model.text_std)
    model.tie_weights()
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    return model, processor


def build_processor(lab: Lab, prompts: Prompts) -> "Qwen2_5_VLProcessor":
    """Build the processor: tokenizer, chat template, image and video processors."""
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    tokenizer = build_tokenizer(lab, prompts)
    pixels: dict[str, Any] = {
        "size": {"shortest_edge": CELL * CELL, "longest_edge": CELL * CELL * lab.model.max_visual_tokens},
        "image_mean": [lab.model.image_mean] * 3,
        "image_std": [lab.model.image_std] * 3,
    }
    return Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(**pixels),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**pixels),
        chat_template=tokenizer.chat_template,
    )


def _config(shape: LabModel, tokenizer: "PreTrainedTokenizerFast", tied: bool) -> Any:
    from transformers import Qwen2_5_VLConfig

    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in (EOS, PAD, IMAGE, VIDEO, VISION_START, VISION_END)}
    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": -(-len(tokenizer) // 64) * 64,
            "hidden_size": shape.hidden,
            "intermediate_size": shape.ffn,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.kv_heads,
            "max_position_embeddings": shape.context,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": shape.rope_theta,
                "mrope_section": list(shape.mrope_section),
            },
            "bos_token_id": None,
            "eos_token_id": ids[EOS],
            "pad_token_id": ids[PAD],
            "tie_word_embeddings": tied,
        },
        vision_config={
            "depth": shape.vision_layers,
            "hidden_size": shape.vision_hidden,
            "intermediate_size": shape.vision_ffn,
            "num_heads": shape.vision_heads,
            "out_hidden_size": shape.hidden,
            "patch_size": CELL // 2,
            "spatial_merge_size": 2,
            "window_size": _WINDOW,
            "fullatt_block_indexes": [shape.vision_layers - 1],
        },
        image_token_id=ids[IMAGE],
        video_token_id=ids[VIDEO],
        vision_start_token_id=ids[VISION_START],
        vision_end_token_id=ids[VISION_END],
        tie_word_embeddings=tied,
    )


def save(model: "Qwen2_5_VLForConditionalGeneration", processor: "Qwen2_5_VLProcessor", folder: Path) -> None:
    """Write a checkpoint folder that `AutoModelForImageTextToText` and `AutoProcessor` load (safetensors).

    Raises:
        UserError: The disk is full or failing.
    """
    from safetensors import SafetensorError

    with explained(folder):
        try:
            model.save_pretrained(folder, safe_serialization=True)
        except SafetensorError as error:  # its library's own for what is an OSError elsewhere
            raise UserError(f"{folder}: cannot be written: {error}; free space and run again") from None
        processor.save_pretrained(folder)

"""Random Qwen2.5-VL models in several sizes, and groups of random completions behind a prompt with a picture."""

import math
from typing import Any

import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

IMAGE, START, VOCABULARY_START = 7, 8, 11
PICTURE = 64  # tokens of the picture, on a grid of 16 x 16 patches

# 3b and 7b: config.json of Qwen/Qwen2.5-VL-{3B,7B}-Instruct.
_TEXT: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
             "intermediate_size": 128, "vocab_size": 512, "mrope_section": [2, 3, 3]},
    "20m": {"hidden_size": 320, "num_hidden_layers": 6, "num_attention_heads": 8, "num_key_value_heads": 4,
            "intermediate_size": 896, "vocab_size": 32768, "mrope_section": [4, 8, 8]},
    "3b": {"hidden_size": 2048, "num_hidden_layers": 36, "num_attention_heads": 16, "num_key_value_heads": 2,
           "intermediate_size": 11008, "vocab_size": 151936, "mrope_section": [16, 24, 24]},
    "7b": {"hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
           "intermediate_size": 18944, "vocab_size": 152064, "mrope_section": [16, 24, 24]},
}  # fmt: skip
_SMALL_VISION = {"depth": 2, "hidden_size": 64, "num_heads": 4, "intermediate_size": 128, "fullatt_block_indexes": [1]}
_VISION = {"depth": 32, "hidden_size": 1280, "num_heads": 16, "intermediate_size": 3420,
           "fullatt_block_indexes": [7, 15, 23, 31]}  # fmt: skip
SIZES = tuple(_TEXT)


# Special tokens of `group`; another tokenizer has its own.
_IDS = {"image_token_id": IMAGE, "video_token_id": 9, "vision_start_token_id": START, "vision_end_token_id": 10}


def build(
    size: str, dtype: torch.dtype = torch.float32, device: str = "cpu", *, ids: dict[str, int] = _IDS, tokens: int = 0
) -> Any:
    """A model of random weights in training mode.

    Args:
        size: One of `SIZES`.
        dtype: Of the weights.
        device: Where they are made.
        ids: Special tokens by their names in the model's config.
        tokens: Length of the tokenizer; a smaller vocabulary grows to it.
    """
    text = dict(_TEXT[size])
    text["vocab_size"] = max(text["vocab_size"], -(-tokens // 64) * 64)
    section = text.pop("mrope_section")
    large = size in ("3b", "7b")
    config = Qwen2_5_VLConfig(
        text_config={**text, "tie_word_embeddings": size != "7b",
                     "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": section}},
        vision_config={**(_VISION if large else _SMALL_VISION), "out_hidden_size": text["hidden_size"]},
        tie_word_embeddings=size != "7b",
        **ids,
    )  # fmt: skip
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = Qwen2_5_VLForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(before)
    return model.train()


def lognormal(mean: float, sd: float, n: int) -> list[int]:
    """Lengths of `n` completions, the same at each call."""
    spread = math.log(1 + (sd / mean) ** 2)
    normal = torch.randn(n, generator=torch.Generator().manual_seed(2))
    lengths = (normal * math.sqrt(spread) + math.log(mean) - spread / 2).exp().round().int().clamp(min=1)
    return [int(length) for length in lengths]


def group(size: str, p: int, lengths: list[int]) -> dict[str, Any]:
    """A prompt of `p` tokens with one picture, and completions behind it.

    Returns:
        input_ids and attention_mask [G, P+R], mm_token_type_ids, pixel_values of all rows, image_grid_thw, num_images.
    """
    generator = torch.Generator().manual_seed(1)
    vocabulary, g, longest = _TEXT[size]["vocab_size"], len(lengths), max(lengths)
    prompt = torch.randint(VOCABULARY_START, vocabulary, (p,), generator=generator)
    prompt[2 : 2 + PICTURE], prompt[1] = IMAGE, START
    mask = (torch.arange(longest) < torch.tensor(lengths)[:, None]).long()
    completions = torch.randint(VOCABULARY_START, vocabulary, (g, longest), generator=generator) * mask
    ids = torch.cat([prompt.expand(g, -1), completions], 1)
    patches = torch.randn(4 * PICTURE, 1176, generator=generator)
    return {
        "input_ids": ids,
        "attention_mask": torch.cat([torch.ones(g, p, dtype=torch.long), mask], 1),
        "pixel_values": patches.repeat(g, 1),
        "image_grid_thw": torch.tensor([[1, 16, 16]]).expand(g, -1),
        "num_images": [1] * g,
        "mm_token_type_ids": (ids == IMAGE).int(),
    }

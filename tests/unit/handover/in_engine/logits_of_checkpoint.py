"""Run by a Python with transformers 4 or 5: logits of a checkpoint on a picture prompt. MODEL PICTURE OUT."""

import sys

import torch
import transformers
from PIL import Image
from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration


def main(folder: str, picture: str, out: str) -> None:
    processor = AutoProcessor.from_pretrained(folder)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, torch_dtype=torch.float32).eval()
    turns = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is the sum?"}]}]
    text = processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    encoded = processor(text=[text], images=[Image.open(picture).convert("RGB")], return_tensors="pt")
    with torch.no_grad():
        logits = model(**encoded).logits
    ids = encoded["input_ids"]
    torch.save({"version": transformers.__version__, "ids": ids, "logits": logits}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])

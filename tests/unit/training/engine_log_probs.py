"""The trainer's log-probabilities beside vLLM's, of completions that its CPU engine sampled, in fp32.

`python engine_log_probs.py MODEL PICTURES`: prints a line of JSON. MODEL is one of scale.shapes, made small as in a
rehearsal; PICTURES a folder of image files. vLLM keeps process groups and memory, so this is a process of its own.
"""

import json
import os
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.update(VLLM_CPU_KVCACHE_SPACE="1", VLLM_NO_USAGE_STATS="1", VLLM_ENABLE_V1_MULTIPROCESSING="0")
REPO = Path(__file__).parents[3]
GROUP, TOKENS = 4, 24


def main() -> None:
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from vllm import LLM, SamplingParams

    from vr1repro.config.loader import load
    from vr1repro.core.problem_files import ProblemFile, write_problems
    from vr1repro.lab.world import generate
    from vr1repro.rehearsal.inputs import write_model
    from vr1repro.rehearsal.run import prepare
    from vr1repro.training.data import PictureLimits, rl_rows
    from vr1repro.training.engine_prompts import checked
    from vr1repro.training.forward import PackedForward, Rows
    from vr1repro.training.grpo import placeholders

    torch.set_num_threads(1)
    preset, lab = load(REPO / "config" / "paper.yaml"), load(REPO / "config" / "smoke.yaml").lab
    assert lab is not None
    small, _ = prepare(preset, lab)
    folder = Path(tempfile.mkdtemp())
    write_model(lab, sys.argv[1], SimpleNamespace(kind="hub", id=f"Qwen/{sys.argv[1]}-Instruct"), folder)  # type: ignore[arg-type]
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    forward = PackedForward()
    forward.prepare(model)
    banned = placeholders(model.config)

    pictures = sorted(Path(sys.argv[2]).iterdir())
    problems = [
        problem.model_copy(update={"image": picture.read_bytes()})
        for problem, picture in zip(generate(lab.world, "rl", len(pictures), 1), pictures, strict=True)
    ]
    write_problems(folder / "problems.parquet", problems)
    engine = LLM(model=str(folder), dtype="float32", max_model_len=1024, enforce_eager=True,
                 max_num_batched_tokens=4096, logprobs_mode="processed_logprobs")  # fmt: skip
    # Not banned but stopped at: a ban would take its share from all other tokens' probabilities.
    sampling = SamplingParams(
        n=1, temperature=1.0, max_tokens=TOKENS, logprobs=0, stop_token_ids=banned, ignore_eos=True
    )

    def generate_with_vllm(prompts: list[list[int]], images: Any) -> Any:
        asked = [
            {"prompt_token_ids": ids, "multi_modal_data": {"image": image}}
            for ids, image in zip(prompts, images, strict=True)
        ]
        results = engine.generate(asked, sampling, use_tqdm=False)
        return [list(result.prompt_token_ids) for result in results], [result.outputs[0] for result in results]

    ask = checked(generate_with_vllm, model.config.image_token_id, expands=True)
    systems = {"none": None, "zero": small.arms["zero"].system_prompt}
    seen: dict[str, dict[str, float]] = {}
    for name, system in systems.items():
        rows = rl_rows(
            ProblemFile(folder / "problems.parquet"), list(range(len(problems))), system, PictureLimits.of(small.rl)
        )
        batch = [row for row in rows for _ in range(GROUP)]
        text = [processor.apply_chat_template(row["prompt"], add_generation_prompt=True) for row in batch]
        images = [row["images"] for row in batch]
        inputs = processor(text=text, images=images, padding=True, padding_side="left", return_tensors="pt")
        prompts = [
            ids[mask.bool()].tolist() for ids, mask in zip(inputs["input_ids"], inputs["attention_mask"], strict=True)
        ]
        _, outputs = ask(prompts, images)  # raises where the engine read other tokens
        ids = torch.zeros(len(batch), TOKENS, dtype=torch.long)
        mask, theirs = torch.zeros_like(ids), torch.zeros(len(batch), TOKENS)
        for row, output in enumerate(outputs):
            tokens = [token for token in output.token_ids if token not in banned]
            ids[row, : len(tokens)], mask[row, : len(tokens)] = torch.tensor(tokens), 1
            theirs[row, : len(tokens)] = torch.tensor(
                [place[token].logprob for token, place in zip(tokens, output.logprobs, strict=False)]
            )
        packed = Rows(
            input_ids=torch.cat([inputs["input_ids"], ids], 1),
            attention_mask=torch.cat([inputs["attention_mask"], mask], 1),
            completion_length=TOKENS,
            pictures={"pixel_values": inputs["pixel_values"], "image_grid_thw": inputs["image_grid_thw"],
                      "num_images": [1] * len(batch),
                      "mm_token_type_ids": torch.cat([inputs["mm_token_type_ids"], torch.zeros_like(ids)], 1)},
        )  # fmt: skip
        host = SimpleNamespace(accelerator=SimpleNamespace(autocast=nullcontext), temperature=1.0)
        with torch.no_grad():
            ours, _, _ = forward.log_probs(host, model, packed, entropy=False, aux_loss=False)
        difference = (ours - theirs).abs() * mask
        seen[name] = {
            "tokens": int(mask.sum()), "prompt": max(map(len, prompts)), "patches": len(inputs["pixel_values"]),
            "mean": float(difference.sum() / mask.sum()), "max": float(difference.max()),
        }  # fmt: skip
    print("SEEN " + json.dumps(seen), flush=True)
    os._exit(0)  # the engine's groups would be waited for


if __name__ == "__main__":
    main()

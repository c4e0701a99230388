"""Makes the logs in `logs/` again: TRL's GRPOTrainer trains a tiny model, EasyR1's and verl's files say the same.

    python tests/unit/reporting/logged/make_logs.py FOLDER

Of the first, everything is TRL's: trainer, reward for the format, and `trainer_state.json` as the Trainer saves it. The
other two are TRL's numbers under the keys and in the layout of their loggers (hiyouga/EasyR1@b44b311
verl/utils/logger/logger.py, FileLogger; volcengine/verl@b178a3c verl/utils/tracking.py, FileLogger), typed here from
their sources and not taken from the tables that read them.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROLLOUTS, UPDATES, EVERY = 36, 2, 6  # rollouts of a run, updates of a rollout, rollouts between two validations
_DIGITS = "01234567"
_TURN = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def train_with_trl(folder: Path, rollouts: int = ROLLOUTS, every: int = EVERY) -> Path:
    """Train a tiny Qwen2 from random weights to close its thought and to end on the digit that it was asked for.

    Returns:
        TRL's `trainer_state.json`.
    """
    import torch
    from datasets import Dataset
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
    from trl import GRPOConfig, GRPOTrainer
    from trl.rewards import think_format_reward

    torch.manual_seed(0)
    words = ["<pad>", "<eos>", "<think>", "</think>", *_DIGITS]
    marks: dict[str, Any] = {"pad_token": "<pad>", "eos_token": "<eos>"}
    bare = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, **{"unk_token": "<pad>"}))
    bare.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    bare.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bare, chat_template=_TURN, **marks)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 4}
    ids = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(words), **shape, **heads, **ids))

    def accuracy_reward(completions: list[Any], solution: list[str], **_: Any) -> list[float]:
        return [float(one[0]["content"][-1:] == answer) for one, answer in zip(completions, solution, strict=True)]

    problems = [{"prompt": [{"role": "user", "content": digit}], "solution": digit} for digit in _DIGITS]
    size = len(_DIGITS)
    settings = GRPOConfig(
        output_dir=str(folder),
        max_steps=rollouts * UPDATES,
        num_iterations=UPDATES,
        num_generations=8,
        per_device_train_batch_size=8 * size,
        per_device_eval_batch_size=8 * size,
        max_completion_length=12,
        learning_rate=1e-2,
        lr_scheduler_type="constant",
        beta=0.01,
        logging_steps=1,
        eval_strategy="steps",
        eval_steps=every * UPDATES,
        eval_on_start=True,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        bf16=False,
        seed=1,
    )
    start = folder / "start"
    model.save_pretrained(start)  # TRL loads the reference model from there
    trainer = GRPOTrainer(
        model=str(start),
        reward_funcs=[accuracy_reward, think_format_reward],
        args=settings,
        train_dataset=Dataset.from_list(problems),
        eval_dataset=Dataset.from_list(problems),
        processing_class=tokenizer,
    )
    trainer.train()
    trainer.save_state()
    return folder / "trainer_state.json"


def rollouts_of(state: Path) -> tuple[list[dict[str, Any]], dict[int, float]]:
    """TRL's entries of the rollouts' first updates, and the validation accuracy by rollout."""
    history = json.loads(state.read_text(encoding="utf-8"))["log_history"]
    first_updates = [row for row in history if "reward" in row]
    validations = {
        row["step"] // UPDATES: row["eval_rewards/accuracy_reward/mean"] for row in history if "eval_reward" in row
    }
    return first_updates, validations


def as_easyr1(first_updates: Sequence[Mapping[str, Any]], validations: Mapping[int, float]) -> str:
    """The run as EasyR1's FileLogger writes `experiment_log.jsonl`: keys unfolded at their slashes."""
    lines = [{"step": 0, "val": {"reward_score": validations[0], "accuracy_reward": validations[0]}}]
    for step, row in enumerate(first_updates, start=1):
        line: dict[str, Any] = {
            "step": step,
            "reward": {
                "overall": row["reward"],
                "format": row["rewards/think_format_reward/mean"],
                "accuracy": row["rewards/accuracy_reward/mean"],
            },
            "critic": {"score": {"mean": row["reward"]}, "rewards": {"mean": row["reward"] - 0.001}},
            "response_length": {
                "mean": row["completions/mean_length"],
                "max": row["completions/max_length"],
                "clip_ratio": row["completions/clipped_ratio"],
            },
            "prompt_length": {"mean": 1.0, "clip_ratio": 0.0},
            "timing_s": {"gen": 1.5, "step": 4.0},
            "perf": {"total_num_tokens": 900},
        }
        if step in validations and step < len(first_updates):
            line["val"] = {"reward_score": validations[step], "accuracy_reward": validations[step]}
        lines.append(line)
    last = len(first_updates)  # the validation after the last step is a line of its own
    lines.append({"step": last, "val": {"reward_score": validations[last], "accuracy_reward": validations[last]}})
    return "".join(json.dumps(line) + "\n" for line in lines)


def as_verl(first_updates: Sequence[Mapping[str, Any]], validations: Mapping[int, float]) -> str:
    """The run as verl's FileLogger writes `<experiment>.jsonl`: flat keys under `data`."""
    val = {step: {"val-core/toy/digits/acc/mean@1": score, "val-aux/toy/digits/reward/mean@1": score}
           for step, score in validations.items()}  # fmt: skip
    lines: list[dict[str, Any]] = [{"step": 0, "data": val[0]}]
    for step, row in enumerate(first_updates, start=1):
        data = {
            "training/global_step": step,
            "critic/score/mean": row["reward"],
            "critic/rewards/mean": row["reward"] - 0.001,
            "response_length/mean": row["completions/mean_length"],
            "response_length/max": row["completions/max_length"],
            "response_length/clip_ratio": row["completions/clipped_ratio"],
            "timing_s/step": 4.0,
        }
        lines.append({"step": step, "data": data | val.get(step, {})})
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as aside:
        state = train_with_trl(Path(aside))
        numbers = rollouts_of(state)
        (folder / state.name).write_bytes(state.read_bytes())
    (folder / "experiment_log.jsonl").write_text(as_easyr1(*numbers), encoding="utf-8")
    (folder / "verl_digits.jsonl").write_text(as_verl(*numbers), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

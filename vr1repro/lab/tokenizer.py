"""The lab's tokenizer: Qwen's special tokens over byte-level BPE, fixed phrases as single tokens.

Any UTF-8 text is tokens, none of them unknown, and decodes to itself. Fixed sentences (hints, questions, parts of the
bridging prompts) are one token each: on two CPU cores the prompt's length is most of what training costs.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from string import Formatter
from typing import TYPE_CHECKING

from vr1repro.answers.completion import FINAL_ANSWER, TAGS
from vr1repro.config.lab import Lab
from vr1repro.lab import formats, questions, teacher

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

EOS, PAD, IMAGE, VIDEO = "<|im_end|>", "<|endoftext|>", "<|image_pad|>", "<|video_pad|>"
VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"
# The real checkpoint's special tokens (Qwen/Qwen2.5-VL-7B-Instruct, tokenizer_config.json), in its order.
SPECIAL = (
    PAD, "<|im_start|>", EOS, "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>",
    "<|quad_start|>", "<|quad_end|>", VISION_START, VISION_END, "<|vision_pad|>", IMAGE, VIDEO,
)  # fmt: skip

# Digits and arithmetic signs stand alone; words keep the blank before them; blanks, breaks and marks make runs.
_PIECES = r"[0-9]|[+\-*/=<>^()\[\]{}]| ?[^\s0-9+\-*/=<>^()\[\]{}\p{P}]+| ?\p{P}|\s"

# Blanks and breaks stand in expressions: the template engine trims those outside.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' -}}"
    "{%- if message['content'] is string -%}{{- message['content'] -}}"
    "{%- else -%}{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' or 'image' in part or 'image_url' in part -%}"
    "{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}"
    "{%- elif 'text' in part -%}{{- part['text'] -}}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{{- '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)


@dataclass(frozen=True)
class Prompts:
    """The prompts of Modality Bridging that the model is pretrained to follow; Python format strings.

    Attributes:
        pseudo_cot: With `{question}` and `{answer}`; the reply is Caption and Reasoning.
        description: With `{question}` and `{pseudo_cot}`; the reply is a description of the picture.
    """

    pseudo_cot: str
    description: str


def phrases(lab: Lab, prompts: Prompts) -> list[str]:
    """Every fixed phrase of the lab's prompts and replies, longest first, without repeats."""
    texts = [*formats.FIXED, *teacher.PHRASES, " " + FINAL_ANSWER, questions.READ_PROMPT, questions.DESCRIBE_PROMPT]
    texts += [questions.LARGEST, questions.SMALLEST, questions.CAPTION, questions.REASONING]
    for kind in questions.KINDS:
        texts += [questions.sentence(kind, lab.world.threshold), questions.sign_sentence(kind, lab.world.threshold)]
    texts += [questions.row_sentence(family) for family in questions.FAMILIES]
    for field in fields(prompts):
        texts += [literal for literal, *_ in Formatter().parse(getattr(prompts, field.name))]
    # Cut at the tags, which stay tokens of their own there too.
    texts += re.split("|".join(TAGS), lab.pretrain.system_prompt or "")
    return sorted({phrase for phrase in texts if len(phrase) > 1}, key=lambda phrase: (-len(phrase), phrase))


def build_tokenizer(lab: Lab, prompts: Prompts, extra: Sequence[str] = ()) -> "PreTrainedTokenizerFast":
    """Train the tokenizer; equal arguments give an equal tokenizer.

    Args:
        lab: Its `model.merges` and `model.context` are used.
        prompts: The bridging prompts, whose fixed parts become tokens.
        extra: Further fixed phrases, for example an instruction that training adds to each question.

    Returns:
        A tokenizer that pads on the left. The side is set in the constructor: as an attribute it would not be saved.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    fixed = [*phrases(lab, prompts), *sorted(set(extra))]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=len(alphabet) + lab.model.merges, initial_alphabet=alphabet, show_progress=False
    )
    roles = ["system\n", "user\n", "assistant\n"] * 50
    tokenizer.train_from_iterator([*fixed, *roles], trainer)
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    # Not "special": a decoder that skips special tokens must keep the tags, and with them the answer.
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in (*TAGS, *fixed)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=EOS,
        pad_token=PAD,
        additional_special_tokens=[name for name in SPECIAL if name not in (EOS, PAD)],
        padding_side="left",
        truncation_side="left",
        model_max_length=lab.model.context,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )

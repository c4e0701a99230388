"""Any text survives; what is fixed is short; what is read digit by digit stays apart."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab_sizes import LAB
from transformers import AutoTokenizer

from vr1repro.answers.completion import TAGS, completion
from vr1repro.lab import formats, questions, teacher, tokenizer, world
from vr1repro.lab.questions import Task

PROMPTS = tokenizer.Prompts(
    pseudo_cot="Given an image, a question:{question} and its answer:{answer}, write.",
    description="Given a image, a question:{question} and a thinking process:{pseudo_cot}, describe.",
)
TOKENIZER = tokenizer.build_tokenizer(LAB, PROMPTS)


@settings(max_examples=400)
@given(st.text() | st.text(alphabet="0123456789+-=<> .,:\n\t<|>/thinkansweré中文🙂\x00\u200d"))
def test_any_text_comes_back_unchanged(text):
    ids = TOKENIZER(text)["input_ids"]
    assert TOKENIZER.decode(ids, clean_up_tokenization_spaces=False) == text
    assert TOKENIZER.unk_token_id is None
    assert all(0 <= token < len(TOKENIZER) for token in ids)


@pytest.mark.parametrize("cells", range(3, 7))
@pytest.mark.parametrize("kind", questions.KINDS)
def test_the_world_knows_how_many_tokens_a_solution_takes(kind, cells):
    for values in ((9, 0, 5, 9, 9, 9), (3, 3, 8, 1, 4, 4)):
        task = Task(kind, values[:cells], LAB.world.threshold)
        text = completion(task.chain, str(task.answer)) + tokenizer.EOS
        assert len(TOKENIZER(text)["input_ids"]) == questions.completion_tokens(task) + 2  # the think tags' blanks


def test_fixed_sentences_are_single_tokens():
    for phrase in (formats.HINT_INTEGER, formats.WO_VALUE, *teacher.WAITS, questions.sentence("sum", 4)):
        assert len(TOKENIZER(phrase)["input_ids"]) == 1, phrase


def test_the_system_prompt_is_few_tokens_and_its_tags_are_tags():
    tokens = TOKENIZER.tokenize(LAB.pretrain.system_prompt)
    assert len(tokens) < 30
    assert [token for token in tokens if token in TAGS] == [*TAGS, *TAGS]


def test_digits_and_signs_stand_alone_in_foreign_text():
    assert TOKENIZER.tokenize("x=12+345") == ["x", "=", "1", "2", "+", "3", "4", "5"]


def test_tags_survive_a_decoder_that_skips_special_tokens():
    text = completion("1 2 1+2=3", "3")
    ids = TOKENIZER(text + tokenizer.EOS)["input_ids"]
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == text
    for tag in ("<think>", "</think>", "<answer>", "</answer>"):
        assert len(TOKENIZER(tag)["input_ids"]) == 1


def test_the_padding_side_is_saved(tmp_path):
    TOKENIZER.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert (loaded.padding_side, loaded.model_max_length) == ("left", 4096)
    padded = loaded(["1", "1 2 3"], padding=True)["input_ids"]
    assert padded[0][:4] == [loaded.pad_token_id] * 4


def test_training_twice_gives_the_same_tokenizer():
    again = tokenizer.build_tokenizer(LAB, PROMPTS)
    assert again.backend_tokenizer.to_str() == TOKENIZER.backend_tokenizer.to_str()


def test_the_chat_template_is_qwens():
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Why?\n"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "So."}]},
        {"role": "user", "content": "And?"},
    ]
    assert TOKENIZER.apply_chat_template(turns, tokenize=False, add_generation_prompt=True) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Why?\n<|im_end|>\n"
        "<|im_start|>assistant\nSo.<|im_end|>\n"
        "<|im_start|>user\nAnd?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_prompts_of_the_world_are_short():
    lengths = [len(TOKENIZER(problem.question)["input_ids"]) for problem in world.generate(LAB.world, "rl", 200, 0)]
    assert max(lengths) <= 40
    assert sum(lengths) / len(lengths) <= 10

"""The tiny model: exact inputs, equal bytes for equal seeds, a checkpoint that loads, no pass for the blind."""

import json
import random
from io import BytesIO

import pytest
import torch
from lab_sizes import LAB, changed
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, Qwen2_5_VLForConditionalGeneration

from vr1repro.answers.reward import formatted_answer
from vr1repro.config.lab import LabPhase
from vr1repro.core.errors import UserError
from vr1repro.lab import drawing, examples, model, pretrain, world
from vr1repro.lab.tokenizer import Prompts
from vr1repro.lab.unpadded import without_padding
from vr1repro.problems.prompt import messages

PROMPTS = Prompts(
    pseudo_cot="A question:{question} and its answer:{answer}, write.",
    description="A question:{question} and a thinking process:{pseudo_cot}, describe.",
)
TINY = changed(
    world={"rows": {3: 1.0, 4: 1.0}},
    model={
        **{"hidden": 32, "layers": 1, "heads": 2, "kv_heads": 1, "ffn": 32, "mrope_section": (1, 1, 6)},
        **{"vision_hidden": 32, "vision_layers": 1, "vision_heads": 2, "vision_ffn": 32},
    },
    pretrain={
        "phases": [{"rows": 4, "solve": 0.5, "bridge": 0.2, "max_steps": 4, "lr": 1e-3}],
        **{"batch": 8, "warmup": 1, "decay": 2, "window": 2, "reading_threshold": 0.0, "reading_pictures": 12},
    },
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    pretrain.pretrain(TINY, PROMPTS, folder, seed=3, threads=1, say=lambda line: None)
    return folder


def test_equal_seeds_give_identical_files(trained, tmp_path):
    pretrain.pretrain(TINY, PROMPTS, tmp_path, seed=3, threads=1, say=lambda line: None)
    for name in ("model.safetensors", "config.json", "tokenizer.json", "pretrain.jsonl", "reading.json"):
        assert (tmp_path / name).read_bytes() == (trained / name).read_bytes(), name
    pretrain.pretrain(TINY, PROMPTS, tmp_path, seed=4, threads=1, say=lambda line: None)
    assert (tmp_path / "model.safetensors").read_bytes() != (trained / "model.safetensors").read_bytes()


def test_training_moves_every_weight(trained):
    untrained, _ = model.build(TINY, PROMPTS, seed=3)
    before = dict(untrained.named_parameters())
    after = dict(AutoModelForImageTextToText.from_pretrained(trained).named_parameters())
    assert set(after) == set(before)
    moved = {name: not torch.equal(value, after[name]) for name, value in before.items()}
    assert all(moved.values()), [name for name, value in moved.items() if not value]


def test_a_blind_model_is_refused_and_leaves_no_weights(tmp_path):
    strict = TINY.model_copy(update={"pretrain": TINY.pretrain.model_copy(update={"reading_threshold": 0.95})})
    with pytest.raises(UserError, match=r"reading_threshold: the model reads \d+\.\d% of"):
        pretrain.pretrain(strict, PROMPTS, tmp_path, seed=3, threads=1, say=lambda line: None)
    reading = json.loads((tmp_path / "reading.json").read_text())
    assert reading["pictures"] == 12
    assert reading["pictures_right"] < 0.95
    assert not list(tmp_path.glob("*.safetensors"))


def test_the_checkpoint_loads_like_a_real_one(trained):
    loaded = AutoModelForImageTextToText.from_pretrained(trained)
    processor = AutoProcessor.from_pretrained(trained)
    assert isinstance(loaded, Qwen2_5_VLForConditionalGeneration)
    assert processor.tokenizer.padding_side == "left"
    assert loaded.generation_config.eos_token_id == processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    problems = list(world.generate(TINY.world, "rl", 4, 0))
    texts = [
        processor.apply_chat_template(messages(problem.question, has_image=True), add_generation_prompt=True)
        for problem in problems
    ]
    images = [Image.open(BytesIO(problem.image)) for problem in problems]
    inputs = processor(text=texts, images=images, padding=True, return_tensors="pt")
    assert torch.equal(inputs["mm_token_type_ids"].bool(), inputs["input_ids"] == loaded.config.image_token_id)
    out = loaded.generate(**inputs, max_new_tokens=3, do_sample=False)
    assert out.shape[1] > inputs["input_ids"].shape[1]


def test_a_photograph_stays_small(trained):
    processor = AutoProcessor.from_pretrained(trained)
    text = processor.apply_chat_template(messages("?", has_image=True), add_generation_prompt=True)
    inputs = processor(text=[text], images=[Image.new("RGB", (1920, 1080))], return_tensors="pt")
    assert 32 <= int(inputs["mm_token_type_ids"].sum()) <= 64


@pytest.mark.parametrize("system", [None, LAB.pretrain.system_prompt])
def test_training_sees_what_the_processor_makes_of_the_picture(trained, system):
    """Cells cached one by one equal the processor's output for the whole picture, text included."""
    processor = AutoProcessor.from_pretrained(trained)
    collate = examples.Collator(processor, TINY.world.jitter)
    rng = random.Random(0)
    for _ in range(10):
        scene = world.draw_scene(TINY.world, "pretrain", rng)
        state = rng.getstate()
        batch = collate([examples.Example(scene=scene, prompt="Why?", reply="So.", task="read", system=system)], rng)
        rng.setstate(state)
        picture = drawing.draw(scene.family, scene.task.values, scene.sign, TINY.world.jitter, rng)
        turns = messages("Why?", has_image=True, system=system)
        text = processor.apply_chat_template(turns, add_generation_prompt=True)
        whole = processor(text=[text + "So.<|im_end|>"], images=[picture], return_tensors="pt")
        assert set(whole) == set(batch.inputs)
        for name, value in whole.items():
            assert torch.equal(value, batch.inputs[name].to(value.dtype)), name


def test_a_share_of_the_solved_problems_comes_under_the_system_prompt_with_its_tags_alone():
    lab = changed(pretrain={"prompted": 0.5, "direct": 0.3})
    phase = LabPhase(rows=16, solve=0.8, bridge=0.1, max_steps=1, lr=1e-3)
    rng = random.Random(2)
    drawn = [examples.draw_example(lab, PROMPTS, phase, rng) for _ in range(400)]
    prompted = [example for example in drawn if example.system is not None]
    assert 120 < len(prompted) < 200  # 400 x 0.8 x 0.5
    assert {example.system for example in prompted} == {lab.pretrain.system_prompt}
    assert {example.task for example in prompted} == {"chain", "direct"}
    for example in drawn:
        lenient, strict = (formatted_answer(example.reply, rule) is not None for rule in ("lenient", "strict"))
        chain = example.task == "chain"
        assert (lenient, strict) == (chain, chain and example.system is None), example


def test_the_loss_is_on_replies_only():
    built, processor = model.build(TINY, PROMPTS, seed=0)
    collate = examples.Collator(processor, 0)
    rng = random.Random(0)
    drawn = [examples.draw_example(TINY, PROMPTS, TINY.pretrain.phases[0], rng) for _ in range(6)]
    batch = collate(drawn, rng)
    with without_padding(built) as forward:
        losses = pretrain.token_losses(built, forward, batch)
    whole = built(**batch.inputs, labels=batch.labels).loss
    wanted = batch.labels[:, 1:] != examples.IGNORED
    assert torch.allclose(losses.sum() / wanted.sum(), whole, atol=1e-5)
    for row, example in enumerate(drawn):
        reply = processor.tokenizer.decode(batch.labels[row][batch.labels[row] != examples.IGNORED])
        assert reply == example.reply + "<|im_end|>"


def test_without_padding_losses_and_gradients_are_those_of_transformers():
    built, processor = model.build(LAB, PROMPTS, seed=0)
    collate = examples.Collator(processor, 1)
    rng = random.Random(1)
    phase = LabPhase(rows=16, solve=0.5, bridge=0.3, max_steps=1, lr=1e-3)
    batch = collate([examples.draw_example(LAB, PROMPTS, phase, rng) for _ in range(24)], rng)
    assert len(set(batch.inputs["attention_mask"].sum(1).tolist())) > 10
    assert len(set(batch.inputs["image_grid_thw"][:, 2].tolist())) > 2  # windows of several sizes
    before = built(**batch.inputs, labels=batch.labels)
    before.loss.backward()
    wanted = {name: value.grad.clone() for name, value in built.named_parameters()}
    built.zero_grad()
    with without_padding(built) as forward:
        losses = pretrain.token_losses(built, forward, batch)
        (losses.sum() / (batch.labels[:, 1:] != examples.IGNORED).sum()).backward()
    for name, value in built.named_parameters():
        assert (value.grad - wanted[name]).norm() <= 1e-5 * wanted[name].norm(), name
    after = built(**batch.inputs, labels=batch.labels)
    assert torch.equal(after.logits, before.logits)

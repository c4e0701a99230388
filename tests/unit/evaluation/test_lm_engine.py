"""The transformers engine: drawing, decoding row by row, and what it counts."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vr1repro.config.samplers import TransformersSampler
from vr1repro.engines.base import Request, Sampling, request_seed, uniforms

torch = pytest.importorskip("torch")

from vr1repro.engines.transformers.engine import TransformersEngine  # noqa: E402
from vr1repro.engines.transformers.sampling import decode, draw, generate  # noqa: E402


def picture(width, height=28):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (width % 255, 90, 20)).save(buffer, format="PNG")
    return buffer.getvalue()


def requests(count):
    return [
        Request(
            key=n,
            text="sum of " * (n % 4) + f"row {n}?",
            images=(picture(28 * (2 + n % 3)),) if n % 5 else (),
            seed=request_seed(1, "b", str(n), 0),
        )
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def engine(tiny_checkpoint):
    return TransformersEngine(
        tiny_checkpoint, TransformersSampler(kind="transformers", batch_size=8), model_sha="w", threads=1
    )


SAMPLING = Sampling(0.9, 0.95, 24)


@pytest.mark.parametrize("temperature", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("top_p", [0.5, 0.95, 1.0])
def test_draws_have_the_nucleus_distribution(temperature, top_p):
    logits = torch.log(torch.tensor([0.5, 0.25, 0.15, 0.07, 0.03]))
    n = 20_000
    numbers = torch.from_numpy(uniforms(3, n))
    drawn = draw(logits.expand(n, -1), numbers, Sampling(temperature, top_p, 1)).numpy()
    if temperature == 0:
        assert set(drawn) == {0}
        return
    probabilities = torch.softmax(logits / temperature, -1).numpy()
    kept = np.cumsum(probabilities) - probabilities < top_p
    expected = np.where(kept, probabilities, 0) / probabilities[kept].sum()
    found = np.bincount(drawn, minlength=5) / n
    # Five standard errors of a share of n draws.
    assert np.all(np.abs(found - expected) <= 5 * np.sqrt(expected * (1 - expected) / n) + 1e-12)


@pytest.mark.parametrize("top_p", [0.3, 0.95])
def test_a_nucleus_is_the_same_wherever_it_is_looked_for(monkeypatch, top_p):
    draws = torch.Generator().manual_seed(1)
    sharpness = torch.logspace(-2, 1, 400)[:, None]  # nuclei from one token to nearly all
    logits = sharpness * torch.randn(400, 300, generator=draws)
    numbers = torch.rand(400, generator=draws, dtype=torch.float64)
    found = draw(logits, numbers, Sampling(0.7, top_p, 1))
    alone = torch.cat([draw(logits[[row]], numbers[[row]], Sampling(0.7, top_p, 1)) for row in range(400)])
    monkeypatch.setattr("vr1repro.engines.transformers.sampling._NUCLEUS", 300)
    assert torch.equal(found, draw(logits, numbers, Sampling(0.7, top_p, 1)))
    assert torch.equal(found, alone)


def test_the_largest_uniform_number_stays_in_the_nucleus():
    logits = torch.log(torch.tensor([[0.6, 0.3, 0.1]]))
    assert draw(logits, torch.tensor([1.0], dtype=torch.float64), Sampling(1.0, 0.8, 1)).item() == 1


@pytest.mark.parametrize("sampling", [SAMPLING, Sampling(0.0, 1.0, 24)])
def test_rows_decoded_apart_equal_transformers_generate(engine, sampling):
    batch = [request for request in requests(12) if request.images]
    inputs = engine._encode(batch)
    numbers = torch.stack([torch.from_numpy(uniforms(request.seed, 24)) for request in batch])
    # Many stop tokens, so that rows end at different steps and leave the batch.
    stops = frozenset(range(0, len(engine.tokenizer), 12))
    ours = decode(engine.model, inputs, numbers, sampling, stops)
    assert ours == generate(engine.model, inputs, numbers, sampling, stops, 0)
    if sampling.temperature:
        assert len({len(ids) for ids in ours}) > 1


def test_a_sample_does_not_depend_on_its_batch(engine):
    together = {one.key: one.text for one in engine.generate(requests(10), SAMPLING)}
    alone = {one.key: one.text for request in requests(10) for one in engine.generate([request], SAMPLING)}
    assert together == alone
    reseeded = [replace(request, seed=request.seed + 1) for request in requests(10)]
    other = {one.key: one.text for one in engine.generate(reseeded, SAMPLING)}
    assert other != together


def test_replies_keep_tags_and_lose_the_end_of_sequence(engine):
    from vr1repro.engines.base import reply_text

    tokenizer = engine.tokenizer
    ids = tokenizer("<think>1</think><answer> Final Answer:2 </answer>", add_special_tokens=False)["input_ids"]
    ids += [tokenizer.eos_token_id, tokenizer.pad_token_id]
    assert reply_text(tokenizer, ids, engine.stop_ids) == ("<think>1</think><answer> Final Answer:2 </answer>", True)


def test_nothing_is_unknown_or_off_the_grid_whatever_the_text(engine):
    texts = ["∠ABC = 30°, 掳 \u202e 漢字", "\x00\x1b", "𝔸" * 30, "<image1> $\\frac{1}{2}$"]
    asked = [Request(key=n, text=text, images=(picture(300, 200),), seed=n) for n, text in enumerate(texts)]
    found = list(engine.generate(asked, Sampling(0.6, 0.95, 2)))
    assert len(found) == 4
    assert all(one.unknown_tokens == 0 and not one.grid_mismatch and one.finish_reason != "refused" for one in found)


def test_prompts_beyond_the_context_are_refused_not_cut(engine):
    asked = [Request(key=0, text="7+" * engine.context, seed=0), Request(key=1, text="7+7", seed=1)]
    found = {one.key: one for one in engine.generate(asked, Sampling(0.6, 0.95, 2))}
    assert (found[0].finish_reason, found[0].text, found[0].n_tokens) == ("refused", "", 0)
    assert found[0].n_prompt_tokens > engine.context
    assert found[1].finish_reason in ("stop", "length")


def test_the_context_bounds_prompt_and_reply_together(engine, monkeypatch):
    monkeypatch.setattr(engine, "context", 40)
    (one,) = engine.generate([Request(key=0, text="7+7+7", seed=0)], Sampling(0.6, 0.95, 4000))
    assert one.n_tokens is not None
    assert one.n_tokens + one.n_prompt_tokens <= 40


def test_a_placeholder_in_the_text_is_refused(engine):
    (one,) = engine.generate([Request(key=0, text="what is <|image_pad|>?", images=(picture(56),), seed=0)], SAMPLING)
    assert one.finish_reason == "refused"
    assert one.grid_mismatch

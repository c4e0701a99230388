"""What tests/unit/engines/test_vllm.py looks at, seen by a process of its own around one start of vLLM's engine.

vLLM starts an engine process, takes memory for its cache and keeps both until it ends.
"""

import json
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

from PIL import Image

from vr1repro.config.samplers import TransformersSampler, VllmSampler
from vr1repro.core.images import MAX_PIXELS, decode
from vr1repro.engines.base import Completion, Request, Sampling, reply_text
from vr1repro.engines.transformers.engine import TransformersEngine
from vr1repro.engines.vllm import VllmEngine

CONTEXT, AT_ONCE, AHEAD, PIXELS = 256, 2, 3, 28 * 28 * 16
GREEDY, DRAWN = Sampling(0.0, 1.0, 6), Sampling(1.0, 0.95, 12)


def picture(shade: int, width: int, height: int = 28) -> bytes:
    """A PNG of one colour."""
    buffer = BytesIO()
    Image.new("RGB", (width, height), (shade, 90, 20)).save(buffer, format="PNG")
    return buffer.getvalue()


def questions(count: int) -> list[Request]:
    """Requests with and without pictures; the last picture is larger than the limit."""
    requests = [
        Request(key=n, text=f"What is the sum of row {n}?", images=(picture(20 * n, 28 * (2 + n)),), seed=100 + n)
        for n in range(count - 2)
    ]
    requests.append(Request(key=count - 2, text="No picture here.", seed=3))
    requests.append(Request(key=count - 1, text="A large one.", images=(picture(70, 280, 280),), seed=4))
    return requests


def refused() -> list[Request]:
    """Requests that no engine may be asked, more than fit into the line."""
    text = ["This is <|image_pad|> a placeholder.", "far too long " * CONTEXT]
    return [Request(key=20 + n, text=text[n % 2], seed=n) for n in range(2 * (AT_ONCE + AHEAD))]


def facts(rows: Iterable[Completion]) -> dict[int, list[Any]]:
    """What is compared of completions, by key."""
    return {
        row.key: [row.text, row.n_tokens, row.finish_reason, row.n_prompt_tokens, row.unknown_tokens, row.grid_mismatch]
        for row in sorted(rows, key=lambda row: row.key)
    }


def all_at_once(engine: VllmEngine, requests: list[Request]) -> dict[int, list[Any]]:
    """Text and tokens from vLLM's own `generate` over all requests and their text prompts, by key."""
    from vllm import SamplingParams

    prompts: list[Any] = []
    settings = []
    for request in requests:
        images = [decode(data, MAX_PIXELS) for data in request.images]
        prompts.append({"prompt": engine.render(request)} | ({"multi_modal_data": {"image": images}} if images else {}))
        settings.append(
            SamplingParams(
                temperature=DRAWN.temperature, top_p=DRAWN.top_p, max_tokens=DRAWN.max_tokens, seed=request.seed,
                stop_token_ids=sorted(engine.stop_ids), skip_special_tokens=False, detokenize=False,
            )
        )  # fmt: skip
    outputs = engine.llm.generate(prompts, settings, use_tqdm=False)
    return {
        request.key: [
            reply_text(engine.tokenizer, output.outputs[0].token_ids, engine.stop_ids)[0],
            len(output.outputs[0].token_ids),
            len(output.prompt_token_ids or []),
        ]
        for request, output in zip(requests, outputs, strict=True)
    }


def crash(engine: VllmEngine, requests: list[Request]) -> dict[str, Any]:
    """The engine fails at the step after three requests have ended; then the rest is asked."""
    core = engine.llm.llm_engine
    step, add = core.step, core.add_request
    ended: list[str] = []
    added: list[str] = []

    def failing() -> Any:
        if len(ended) >= 3:
            raise RuntimeError("out of memory")
        outputs = step()
        ended.extend(output.request_id for output in outputs if output.finished)
        return outputs

    def counted(number: str, *arguments: Any) -> str:
        added.append(number)
        return add(number, *arguments)

    core.step, core.add_request = failing, counted  # type: ignore[method-assign]
    earned: list[Completion] = []
    message = ""
    try:
        for row in engine.generate(requests, DRAWN):
            earned.append(row)
    except RuntimeError as error:
        message = str(error)
    finally:
        core.step, core.add_request = step, add  # type: ignore[method-assign]
    left = core.get_num_unfinished_requests()
    keys = {row.key for row in earned}
    rest = list(engine.generate([request for request in requests if request.key not in keys], DRAWN))
    return {"message": message, "added": len(added), "ended": len(ended), "earned": len(keys), "left": left,
            "all": facts([*earned, *rest])}  # fmt: skip


def line(engine: VllmEngine, requests: list[Request]) -> dict[str, Any]:
    """How many requests are prepared or asked at a time, and whether two threads prepare at once."""
    prepare, met = engine._prepare, threading.Barrier(2)
    begun: list[int] = []
    lock = threading.Lock()

    def watched(request: Request) -> Any:
        with lock:
            begun.append(request.key)
        met.wait()  # breaks, and so fails, where one thread does it all
        return prepare(request)

    engine._prepare = watched  # type: ignore[method-assign]
    most, given = 0, 0
    try:
        for _ in engine.generate(requests, GREEDY):
            most = max(most, len(begun) - given)
            given += 1
    finally:
        engine._prepare = prepare  # type: ignore[method-assign]
    return {"most": most, "given": given}


def in_threads(engine: VllmEngine) -> dict[str, Any]:
    """How many of many pictures eight threads prepare as one does, to the bit."""
    requests = [
        Request(key=n, text=f"Picture {n}?", images=(picture(n, 28 + 9 * n, 40 + 5 * n),), seed=n) for n in range(48)
    ]

    def prepared(request: Request) -> list[Any]:
        ready = engine._prepare(request)
        (item,) = ready.engine_input["mm_kwargs"]["image"]
        tensors = {name: value.numpy().tobytes() for name, value in sorted(item.get_data().items())}
        return [ready.length, ready.pictures, ready.engine_input["prompt_token_ids"], tensors]

    alone = [prepared(request) for request in requests]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(prepared, requests))
    equal = sum(one == other for one, other in zip(alone, together, strict=True))
    return {"equal": equal, "lengths": len({one[0] for one in alone})}


def long_and_short(engine: VllmEngine) -> list[list[int | None]]:
    """Keys and tokens in the order of completion; request 0 may be long, the others have room for six tokens."""
    requests = [Request(key=0, text="Go on.", seed=0)]
    for key in range(1, 7):
        text = f"{key}"
        while len(engine.tokenizer(engine.render(Request(key=key, text=text, seed=0)))["input_ids"]) < CONTEXT - 6:
            text += " a"
        requests.append(Request(key=key, text=text, seed=key))
    return [[row.key, row.n_tokens] for row in engine.generate(requests, Sampling(0.0, 1.0, CONTEXT))]


def unseeded(engine: VllmEngine) -> dict[str, Any]:
    """One request with one seed twice and another one once, when requests are not seeded."""
    engine.seed_requests = False
    rows = [next(iter(engine.generate([Request(key=0, text="Go on.", seed=seed)], DRAWN))) for seed in (1, 1, 2)]
    greedy = next(iter(engine.generate([Request(key=0, text="Go on.", seed=1)], GREEDY)))
    engine.seed_requests = True
    return {"texts": [row.text for row in rows], "seeded": [row.seeded for row in [*rows, greedy]]}


def main() -> None:
    """Print one JSON line."""
    folder = sys.argv[1]
    ours = TransformersEngine(
        folder, TransformersSampler(kind="transformers", batch_size=4), model_sha="w", threads=1,
        max_image_pixels=PIXELS,
    )  # fmt: skip
    settings = VllmSampler(
        kind="vllm", max_model_len=CONTEXT, enforce_eager=True, dtype="float32", max_num_seqs=AT_ONCE, ahead=AHEAD,
        seed_requests=True,
    )  # fmt: skip
    theirs = VllmEngine(folder, settings, model_sha="w", threads=2, max_image_pixels=PIXELS)
    some, many = questions(5), questions(10)
    fed = list(theirs.generate(many, DRAWN))
    seen = {
        "greedy": [facts(engine.generate(some, GREEDY)) for engine in (ours, theirs)],
        "at_once": all_at_once(theirs, many),
        "fed": facts(fed),
        "fed_seeded": [row.seeded for row in fed],
        "crash": crash(theirs, many),
        "refused": facts(theirs.generate([*refused(), *some], GREEDY)),
        "only_refused": facts(theirs.generate(refused(), GREEDY)),
        "line": line(theirs, many),
        "in_threads": in_threads(theirs),
        "order": long_and_short(theirs),
        "unseeded": unseeded(theirs),
        "facts": theirs.facts,
    }
    print("SEEN " + json.dumps(seen))


if __name__ == "__main__":
    main()

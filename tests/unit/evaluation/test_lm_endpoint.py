"""The endpoint engine against a server that we control: what is sent, what is made of replies, what is never asked."""

import base64
import io
import json

import pytest
from llm_server import LlmServer, completion, failure
from PIL import Image

from vr1repro.config.samplers import EndpointSampler
from vr1repro.core.errors import UserError
from vr1repro.engines.base import Request, Sampling
from vr1repro.engines.endpoint import protocol
from vr1repro.engines.endpoint.client import EndpointEngine

pytest.importorskip("aiohttp")

SAMPLING = Sampling(0.6, 0.95, 16)
CANARY = "sk-canary-5417"


def picture(kind="PNG", size=(30, 20)):
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, format=kind)
    return buffer.getvalue()


class Answers(dict):
    """What to reply to a prompt; an echo where none is given."""

    def __call__(self, asked):
        return self.get(asked.text, completion(f"re: {asked.text}"))


@pytest.fixture
def server():
    with LlmServer(Answers()).running() as made:
        yield made


def engine(server, **settings):
    values = {"concurrency": 4, "retries": 0, "timeout_s": 20, **settings}
    return EndpointEngine(server.address, EndpointSampler(kind="openai", **values))


def test_what_is_sent(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    asked = [Request(key=3, text="How many?", images=(picture("JPEG"),), seed=77, system="Be brief.")]
    made = engine(server, extra={"top_k": -1})
    (one,) = made.generate(asked, SAMPLING)
    assert (one.key, one.text, one.n_tokens, one.n_prompt_tokens, one.finish_reason) == (
        3,
        "re: How many?",
        5,
        9,
        "stop",
    )
    body = server.asked[0].body
    assert server.asked[0].key == f"Bearer {CANARY}"
    assert {name: body[name] for name in ("model", "temperature", "top_p", "max_tokens", "seed", "top_k")} == {
        "model": "m", "temperature": 0.6, "top_p": 0.95, "max_tokens": 16, "seed": 77, "top_k": -1,
    }  # fmt: skip
    system, user = body["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    image, text = user["content"]
    assert text == {"type": "text", "text": "How many?"}
    head, _, data = image["image_url"]["url"].partition(",")
    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(data) == asked[0].images[0]
    assert CANARY not in json.dumps(made.facts) + made.render(asked[0])


@pytest.mark.parametrize("function", ["body", "understand"])
def test_a_mistake_of_ours_ends_the_run_with_its_traceback_and_its_request(server, monkeypatch, function):
    def broken(*_):
        raise ValueError("no such shape")

    monkeypatch.setattr(protocol, function, broken)
    requests = [Request(key=number, text="q", seed=0) for number in range(3)]
    with pytest.raises(ValueError, match="no such shape") as caught:
        list(engine(server, concurrency=1).generate(requests, SAMPLING))
    assert "request 0 to http://" in caught.value.__notes__[0]
    assert caught.traceback[-1].name == "broken"
    assert len(server.asked) == (function == "understand")


@pytest.mark.parametrize(
    ("model", "served", "taken"),
    [
        ("deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1", True),
        ("deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1-0528", False),
        ("deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", False),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o-mini", "gpt-4o-mini-2024-07-18", True),
        ("gpt-4o-mini", "gpt-4o-mini-20240718", True),
        ("gpt-3.5-turbo", "gpt-3.5-turbo-0125", False),
        ("r1", "r1:latest", True),
        ("r1", "the-same-elsewhere", True),
    ],
)
def test_another_model_is_a_failed_try_and_the_name_is_kept(model, served, taken):
    settings = EndpointSampler(kind="openai", model=model, accept_models=["the-same-elsewhere"])
    _, body = completion("hi")
    data = json.dumps({**body, "model": served}).encode()
    if taken:
        assert protocol.understand(200, data, model, settings).served_model == served
    else:
        with pytest.raises(protocol.TryAgain, match="wrong_model"):
            protocol.understand(200, data, model, settings)


def test_a_server_that_names_no_model_is_taken_at_its_word(server):
    _, body = completion("hi")
    server.answer = lambda asked: (200, {key: value for key, value in body.items() if key != "model"})
    (one,) = engine(server).generate([Request(key=1, text="?", seed=1)], SAMPLING)
    assert (one.text, one.served_model) == ("hi", None)


def test_reasoning_that_a_server_split_off_is_put_back(server):
    server.answer["q"] = completion("<answer> Final Answer:2 </answer>", finish="length", reasoning_content="1+1")
    (one,) = engine(server).generate([Request(key=0, text="q", seed=0)], SAMPLING)
    assert one.text == "<think>1+1</think><answer> Final Answer:2 </answer>"
    assert one.finish_reason == "length"


def test_a_prompt_that_does_not_fit_is_refused_and_the_rest_goes_on(server):
    server.answer["long"] = failure(400, "This model's maximum context length is 8 tokens.")
    found = {
        one.key: one
        for one in engine(server).generate(
            [Request(key=0, text="long", seed=0), Request(key=1, text="q", seed=0)], SAMPLING
        )
    }
    assert found[0].finish_reason == "refused"
    assert found[1].text == "re: q"


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "refuses the key of OPENAI_API_KEY"), (500, "status_500"), (400, "refuses the request")],
)
def test_other_failures_end_the_run_with_their_reason(server, status, message):
    server.answer["q"] = failure(status, "no")
    with pytest.raises(UserError, match=message):
        list(engine(server).generate([Request(key=0, text="q", seed=0)], SAMPLING))


def test_larger_pictures_are_scaled_and_odd_formats_sent_as_png(server):
    made = EndpointEngine(server.url, EndpointSampler(kind="openai", retries=0), max_image_pixels=100)
    for data in (picture(), picture("BMP", (5, 5))):
        list(made.generate([Request(key=0, text="q", images=(data,), seed=0)], SAMPLING))
        url = server.asked[-1].body["messages"][0]["content"][0]["image_url"]["url"]
        assert url.startswith("data:image/png;base64,")
        image = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
        assert image.width * image.height <= 100


def test_several_models_must_be_chosen_from(server):
    server.models = ["a", "b"]
    with pytest.raises(UserError, match="serves a, b"):
        engine(server)
    assert engine(server, model="b").connection.model == "b"


def test_a_silent_endpoint_is_named():
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9"):
        EndpointEngine("http://127.0.0.1:9", EndpointSampler(kind="openai", retries=0, timeout_s=2))

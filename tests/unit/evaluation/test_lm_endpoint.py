"""The endpoint engine against a server that we control: what is sent, what is made of replies, what is never asked."""

import base64
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
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


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self._reply(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in self.server.models]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((body, self.headers["Authorization"]))
        text = body["messages"][-1]["content"][-1].get("text", "")
        if text in self.server.answers:
            return self._reply(*self.server.answers[text])
        message = {"role": "assistant", "content": f"re: {text}"}
        return self._reply(200, reply(message))

    def _reply(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def reply(message, finish="stop"):
    return {
        "id": "1", "object": "chat.completion", "created": 0, "model": "m",
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14},
    }  # fmt: skip


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.models, made.asked, made.answers = ["m"], [], {}
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def engine(server, **settings):
    values = {"concurrency": 4, "retries": 0, "timeout_s": 20, **settings}
    return EndpointEngine(f"http://127.0.0.1:{server.server_port}", EndpointSampler(kind="openai", **values))


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
    body, key = server.asked[0]
    assert key == f"Bearer {CANARY}"
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
def test_an_unforeseen_error_ends_the_run_and_names_its_request(server, monkeypatch, function):
    def broken(*_):
        raise ValueError("no such shape")

    monkeypatch.setattr(protocol, function, broken)
    requests = [Request(key=number, text="q", seed=0) for number in range(3)]
    with pytest.raises(UserError, match=r"request 0: ValueError: no such shape"):
        list(engine(server, concurrency=1).generate(requests, SAMPLING))
    assert len(server.asked) == (function == "understand")


def test_reasoning_that_a_server_split_off_is_put_back(server):
    message = {"role": "assistant", "content": "<answer> Final Answer:2 </answer>", "reasoning_content": "1+1"}
    server.answers["q"] = (200, reply(message, finish="length"))
    (one,) = engine(server).generate([Request(key=0, text="q", seed=0)], SAMPLING)
    assert one.text == "<think>1+1</think><answer> Final Answer:2 </answer>"
    assert one.finish_reason == "length"


def test_a_prompt_that_does_not_fit_is_refused_and_the_rest_goes_on(server):
    fault = {"error": {"message": "This model's maximum context length is 8 tokens.", "type": "BadRequestError"}}
    server.answers["long"] = (400, fault)
    found = {
        one.key: one
        for one in engine(server).generate(
            [Request(key=0, text="long", seed=0), Request(key=1, text="q", seed=0)], SAMPLING
        )
    }
    assert found[0].finish_reason == "refused"
    assert found[1].text == "re: q"


@pytest.mark.parametrize(
    ("status", "message"), [(401, "refuses the key"), (500, "status_500"), (400, "refuses the request")]
)
def test_other_failures_end_the_run_with_their_reason(server, status, message):
    server.answers["q"] = (status, {"error": {"message": "no", "type": "x"}})
    with pytest.raises(UserError, match=message):
        list(engine(server).generate([Request(key=0, text="q", seed=0)], SAMPLING))


def test_larger_pictures_are_scaled_and_odd_formats_sent_as_png(server):
    made = EndpointEngine(
        f"http://127.0.0.1:{server.server_port}/v1", EndpointSampler(kind="openai", retries=0), max_image_pixels=100
    )
    for data in (picture(), picture("BMP", (5, 5))):
        list(made.generate([Request(key=0, text="q", images=(data,), seed=0)], SAMPLING))
        url = server.asked[-1][0]["messages"][0]["content"][0]["image_url"]["url"]
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

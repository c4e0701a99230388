"""A fake LLM server, OpenAI-compatible, in a thread: one for every test of a client."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# A status and a body: JSON, or bytes as they are. None: the server never replies.
Reply = tuple[int, Any] | None


@dataclass(frozen=True)
class Asked:
    """A request that came: its body, and the header with the key."""

    body: dict[str, Any]
    key: str | None

    @property
    def text(self) -> str:
        """The prompt's last text."""
        content = self.body["messages"][-1]["content"]
        return content if isinstance(content, str) else str(content[-1].get("text", ""))


def completion(text: str = "", finish: str = "stop", tokens: tuple[int, int] = (9, 5), **message: str) -> Reply:
    """A good reply; `tokens` are the prompt's and the completion's."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
    body = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
    return 200, body


def failure(status: int, message: str) -> Reply:
    """An error as such servers word it."""
    return status, {"error": {"message": message, "type": "BadRequestError"}}


class LlmServer(ThreadingHTTPServer):
    """The server. A test may change `answer` and `models` at any time.

    Attributes:
        answer: What to reply to a request.
        models: What it says that it serves.
        asked: Every request, in the order of arrival.
        headers: Further headers of every reply.
    """

    daemon_threads = True

    def __init__(self, answer: Callable[[Asked], Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.models = answer, ["m"]
        self.asked: list[Asked] = []
        self.headers: dict[str, str] = {}
        self.over = threading.Event()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        """What a client is given."""
        return f"{self.address}/v1"

    @contextmanager
    def running(self) -> Iterator["LlmServer"]:
        """Serve, until the end or `stop`."""
        threading.Thread(target=self.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self.stop()

    def stop(self) -> None:
        """End it; a second time does nothing."""
        if not self.over.is_set():
            self.over.set()
            self.shutdown()
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LlmServer

    def do_GET(self) -> None:
        self._send(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in self.server.models]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = Asked(body, self.headers["Authorization"])
        self.server.asked.append(asked)
        reply = self.server.answer(asked)
        if reply is None:
            self.server.over.wait()
            self.close_connection = True
            return
        self._send(*reply)

    def _send(self, status: int, body: Any) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass

"""The lab's extractor and judge: a script behind an OpenAI-compatible server, whose replies err as often as is planted.

It reads the prompts of `evaluation.extract_and_judge`. Equal prompts get equal replies. What it would reply without an
error (`extraction_of`, `agrees`) is its own reading, not a grader's, so that the planted rates can be measured.
"""

import json
import random
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from vr1repro.answers.completion import ANSWER_CLOSE, ANSWER_OPEN, FINAL_ANSWER
from vr1repro.config.graders import ResponseStyle, ScriptedGrader
from vr1repro.lab.formats import CHOICES
from vr1repro.lab.teacher import MISTAKE, WAITS

MODEL = "scripted"
_TAG = re.compile(rf"{re.escape(ANSWER_OPEN)}(.*?){re.escape(ANSWER_CLOSE)}", re.DOTALL)
_JUDGED = re.compile(
    r"\[Question\]: (.*?)\n\[Standard Answer\]: (.*?)\n\[Model_answer\] : (.*?)\nJudgement:$", re.DOTALL
)
_CHOICE = re.compile(r"^\(?([A-D])\)?[:.]? ?(.+)$", re.MULTILINE)
_VALUE = re.compile(r"-?\d+|\b[A-D]\b")
_NOTHING = "null"


def style_of(response: str) -> ResponseStyle:
    """How a response states its answer."""
    if not _TAG.search(response):
        return "untagged"
    return "reflected" if any(mark in response for mark in (*WAITS, MISTAKE)) else "tagged"


def extraction_of(response: str) -> str:
    """The answer that a response states: in its last tag, else its last value; `null` where it has none."""
    if tags := _TAG.findall(response):
        return str(tags[-1]).strip().removeprefix(FINAL_ANSWER).strip() or _NOTHING
    values = _VALUE.findall(response)
    return values[-1] if values else _NOTHING


def agrees(question: str, gold: str, answer: str) -> bool:
    """Whether an answer is the gold answer, by its letter or by the text of its choice in the question."""
    gold, answer = (text.strip(" ().") for text in (gold, answer))
    choices = {letter: text.strip() for letter, text in _CHOICE.findall(question.partition(CHOICES)[2])}
    return answer in (gold, choices.get(gold)) or choices.get(answer) == gold


def reply(prompt: str, habits: ScriptedGrader) -> str:
    """What the server replies: 0 or 1 where it is to judge, else an extraction."""
    rng = random.Random(prompt)
    if judged := _JUDGED.search(prompt):
        right = agrees(*map(str, judged.groups()))
        errs = rng.random() < (habits.judgement_misses if right else habits.judgement_slips)
        return str(int(right != errs))
    _, _, rest = prompt.split("\n\n", 2)  # head, question, and the response before the last line
    response = rest.rpartition("\n\n")[0]
    answer = extraction_of(response)
    return _another(answer, rng) if rng.random() < habits.extraction_errors[style_of(response)] else answer


def _another(answer: str, rng: random.Random) -> str:
    """An answer that is not this one."""
    if re.fullmatch(r"-?\d+", answer):
        return str(int(answer) + rng.choice((-2, -1, 1, 2)))
    letter = re.search(r"[A-D]", answer)
    return rng.choice([other for other in "ABCD" if letter is None or other != letter[0]])


@contextmanager
def serve(replies: Callable[[str], str]) -> Iterator[str]:
    """Answer on 127.0.0.1, on a free port, as model `scripted`, until the block ends.

    Args:
        replies: The text of the reply to a prompt.

    Yields:
        The endpoint's URL.
    """
    server = _Server(replies)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, replies: Callable[[str], str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies = replies

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that ended before its reply is none of the server's errors."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        """A chat completion."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content: Any = body["messages"][-1]["content"]
        prompt = content if isinstance(content, str) else str(content[-1]["text"])
        message = {"role": "assistant", "content": self.server.replies(prompt)}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        data = json.dumps({"object": "chat.completion", "model": MODEL, "choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing; the client counts."""

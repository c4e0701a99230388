"""Bodies of requests to an OpenAI-compatible endpoint, and the meaning of its replies. Pure functions, no network."""

import base64
import json
import re
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from vr1repro.answers.completion import THINK_CLOSE, THINK_OPEN
from vr1repro.config.samplers import EndpointSampler
from vr1repro.core.images import MAX_PIXELS, decode, open_image
from vr1repro.core.limits import limits
from vr1repro.core.outside import without_deep
from vr1repro.engines.base import FinishReason, Request, Sampling

# The picture formats that OpenAI's interface takes; others are sent as PNG.
_MIME = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
# What servers say of a prompt that does not fit (vLLM, SGLang, OpenAI), and of one that they will not read.
_TOO_LONG = (
    "context length", "maximum context", "max_model_len", "longer than the maximum", "context_length_exceeded",
)  # fmt: skip
_CONTENT = ("content_policy", "content_filter", "content management policy", "content exists risk")
# What a server may add to the name of the model that it was asked for: a date, or a tag or version set apart.
_DATED = r"(-20\d{2}-?[01]\d-?[0-3]\d|[:@].+)?"
_AGAIN = (408, 409, 425, 429)
_THROTTLED = (429, 503)
_NO_MONEY = ("insufficient_quota", "insufficient balance")


class TryAgain(Exception):
    """A failed try after which another may succeed.

    `reason` is one of a few words that are counted; `after` the seconds that the server asks to wait.
    """

    def __init__(self, reason: str, detail: str = "", throttled: bool = False) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.throttled = reason, throttled
        self.after: float | None = None


class Refused(Exception):
    """The endpoint will not answer this request, however often it is asked."""


class Fatal(Exception):
    """No request will be answered until the user corrects something."""


class Unclear(Exception):
    """A refusal that may be of this request or of all: a status 4xx whose text says neither."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A reply with a text. What else could not be read of it is None or `unknown`, and told in `note`.

    `served_model` is what the server says that it was made by.
    """

    text: str
    finish_reason: FinishReason
    n_tokens: int | None
    n_prompt_tokens: int | None
    reply_id: str | None
    served_model: str | None
    note: str = ""


def body(request: Request, sampling: Sampling, model: str, extra: dict[str, Any], max_pixels: int | None) -> bytes:
    """The JSON body of a request; raises `core.images.BadImage`."""
    pictures = [{"type": "image_url", "image_url": {"url": data_url(data, max_pixels)}} for data in request.images]
    text = [{"type": "text", "text": request.text}] if request.text else []
    system = [{"role": "system", "content": request.system}] if request.system else []
    values = {
        "model": model,
        "messages": [*system, {"role": "user", "content": [*pictures, *text]}],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": request.seed,
        **extra,
    }
    return json.dumps(values, separators=(",", ":")).encode()


def data_url(data: bytes, max_pixels: int | None) -> str:
    """A picture as a data URL, scaled down to a pixel limit; raises `core.images.BadImage`."""
    image = open_image(data, MAX_PIXELS)
    mime, pixels = _MIME.get(str(image.format)), image.width * image.height
    if mime is None or (max_pixels is not None and pixels > max_pixels):
        picture = decode(data, MAX_PIXELS)
        if max_pixels is not None and pixels > max_pixels:
            share = (max_pixels / pixels) ** 0.5
            picture.thumbnail((max(1, int(image.width * share)), max(1, int(image.height * share))))
        buffer = BytesIO()
        picture.save(buffer, format="PNG")
        data, mime = buffer.getvalue(), "image/png"
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


def understand(status: int, data: bytes, model: str, settings: EndpointSampler) -> Reply:
    """What an HTTP reply means.

    Args:
        status: Its status.
        data: Its body.
        model: The model that was asked for.
        settings: `accept_models`.

    Raises:
        TryAgain: Overloaded, broken, cut off, without choices or text, or made by another model.
        Refused: The prompt does not fit or breaks the endpoint's rules.
        Unclear: Another 4xx.
        Fatal: The key is refused, the account is empty, or there is no such path or model.
    """
    if status != 200:
        _raise_for(status, data, settings.key_env)
    notes: list[str] = []
    reply = _object(data, notes)
    choices, made_by = reply.get("choices"), reply.get("model")
    if not isinstance(choices, list) or not choices:
        raise TryAgain("no_choices", "" if choices == [] else f"`choices` is {type(choices).__name__}")
    if made_by is not None and not isinstance(made_by, str):
        notes.append(f"model: {_short(made_by)}")
        made_by = None
    if made_by is not None and not _same_model(made_by, model, settings.accept_models):
        raise TryAgain("wrong_model", f"{made_by[:100]}, asked for {model[:100]} (`accept_models`)")
    choice = choices[0]
    if not isinstance(choice, dict):
        raise TryAgain("malformed", f"a choice is {type(choice).__name__}")
    finish = choice.get("finish_reason")
    if finish == "content_filter":
        raise Refused("content_filter")
    if finish not in ("stop", "length"):
        notes.append(f"finish_reason: {_short(finish)}")
    reply_id, usage = reply.get("id"), reply.get("usage")
    if reply_id is not None and not isinstance(reply_id, str | int):
        notes.append(f"id: {_short(reply_id)}")
        reply_id = None
    if usage is not None and not isinstance(usage, dict):
        notes.append(f"usage: {_short(usage)}")
        usage = None
    return Reply(
        text=_text(choice.get("message")),
        finish_reason=finish if finish in ("stop", "length") else "unknown",
        n_tokens=_count(usage, "completion_tokens", notes),
        n_prompt_tokens=_count(usage, "prompt_tokens", notes),
        reply_id=str(reply_id)[:1000] if reply_id else None,
        served_model=made_by,
        note="; ".join(notes),
    )


def _object(data: bytes, notes: list[str]) -> dict[str, Any]:
    """The JSON object of a body. What in it is nested too deep or has too many digits is null."""
    try:
        text = data.decode("utf-8")
        text, cut = without_deep(text)
        notes += [f"nested deeper than {limits().nesting} levels: null"] * bool(cut)
        reply = json.loads(text, parse_int=lambda digits: _integer(digits, notes))
    except (ValueError, RecursionError) as error:
        raise TryAgain("broken_json", f"{len(data)} bytes: {type(error).__name__}") from None
    if not isinstance(reply, dict):
        raise TryAgain("malformed", f"a reply is {type(reply).__name__}")
    return reply


def _integer(digits: str, notes: list[str]) -> int | None:
    if len(digits) <= limits().digits:
        return int(digits)
    notes.append(f"an integer of {len(digits)} digits: null")
    return None


def _count(usage: dict[str, Any] | None, name: str, notes: list[str]) -> int | None:
    """A number of tokens, None where it is none; what cannot be one is noted."""
    value = None if usage is None else usage.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53):
        return value
    notes.append(f"usage.{name}: {_short(value)}")
    return None


def _short(value: object) -> str:
    return repr(value)[:60]


def _raise_for(status: int, data: bytes, key_env: str) -> None:
    message = data[:2000].decode("utf-8", "replace")
    low = message.lower()
    if status in (401, 403):
        raise Fatal(f"refuses the key of {key_env} (status {status}): {message[:300]}")
    if status in (402, 429) and (status == 402 or any(mark in low for mark in _NO_MONEY)):
        raise Fatal(f"asks to be paid (status {status}): {message[:300]}")
    if status in _AGAIN or status >= 500:
        raise TryAgain(f"status_{status}", message[:200], throttled=status in _THROTTLED)
    if status == 404:
        raise Fatal(f"has no such path or model (status 404): {message[:300]}")
    if any(mark in low for mark in _TOO_LONG) or status == 413:
        raise Refused("too_long")
    if any(mark in low for mark in _CONTENT):
        raise Refused("content_policy")
    raise Unclear(f"refuses the request (status {status}): {message[:300]}")


def _same_model(made_by: str, model: str, accepted: list[str]) -> bool:
    """Whether a reply's model is the requested one; hosted models answer with the date of their version added.

    Of a name with more in it nothing is known: DeepSeek-R1-0528 and DeepSeek-R1-Distill-Qwen-7B are no DeepSeek-R1.
    """
    return made_by in accepted or re.fullmatch(re.escape(model) + _DATED, made_by) is not None


def _text(message: object) -> str:
    """The reply; where the server has split off the reasoning, it is put back in its tags."""
    if not isinstance(message, dict):
        raise TryAgain("malformed", f"a message is {type(message).__name__}")
    text, reasoning = message.get("content"), message.get("reasoning_content") or message.get("reasoning")
    if text is None and reasoning is None:
        raise TryAgain("no_text", str(message.get("refusal") or "neither content nor reasoning")[:200])
    if not isinstance(text, str | None) or not isinstance(reasoning, str | None):
        raise TryAgain("malformed", "content is no text")
    return f"{THINK_OPEN}{reasoning}{THINK_CLOSE}{text or ''}" if reasoning else text or ""

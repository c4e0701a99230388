"""The interface of everything that samples, and what its implementations share."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from vr1repro.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np

# `stop`: the model ended; `length`: cut at the token limit; `refused`: never asked, because the prompt does not fit
# the context or its text holds the model's own image placeholder. Nothing is cut to make it fit.
# `failed`: an endpoint answered no try; only where the caller asked to go on then.
# `unknown`: an endpoint gave a text and no such word for its end; nobody knows whether the text is whole.
FinishReason = Literal["stop", "length", "refused", "failed", "unknown"]


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn. `temperature` 0 is greedy; `max_tokens` counts the end-of-sequence token."""

    temperature: float
    top_p: float
    max_tokens: int


@dataclass(frozen=True, kw_only=True)
class Request:
    """One sample to draw.

    Attributes:
        key: Identifies the request among those given to one `generate` call.
        text: What stands after the pictures in the user's turn; may be empty.
        images: Encoded pictures.
        seed: Seed of this sample alone, so that it does not depend on what else is in the batch; see
            `Completion.seeded`.
        system: System prompt, or None.
    """

    key: int
    text: str
    images: tuple[bytes, ...] = ()
    seed: int
    system: str | None = None

    def messages(self) -> list[dict[str, Any]]:
        """The conversation in the form that chat templates take; pictures stand before the text."""
        content: list[dict[str, Any]] = [{"type": "image"} for _ in self.images]
        if self.text:
            content.append({"type": "text", "text": self.text})
        system = [{"role": "system", "content": [{"type": "text", "text": self.system}]}] if self.system else []
        return [*system, {"role": "user", "content": content}]


@dataclass(frozen=True, kw_only=True)
class Completion:
    """One sampled completion.

    Attributes:
        key: The request's key.
        text: The reply, tags that are special tokens included, end-of-sequence and padding tokens not.
        n_tokens: Sampled tokens, end-of-sequence included; None where an endpoint does not say.
        finish_reason: Why it ended.
        n_prompt_tokens: Tokens of the prompt, picture placeholders included; None where an endpoint does not say.
        unknown_tokens: Unknown tokens in the prompt; 0 for a healthy tokenizer.
        grid_mismatch: Whether the picture placeholders in the prompt differ from the picture's grid; False in health.
        seconds: Time of the batch or request it was drawn in.
        tries: How often an endpoint was asked.
        reply_id: The id that an endpoint gave the reply.
        served_model: The model that an endpoint says it was made by.
        detail: Why it was refused or failed.
        seeded: Whether the request's own seed drew it; False where the batch's random numbers did.
        note: What of an endpoint's reply could not be read beside its text, and so is None or `unknown` here.
    """

    key: int
    text: str
    n_tokens: int | None
    finish_reason: FinishReason
    n_prompt_tokens: int | None = None
    unknown_tokens: int = 0
    grid_mismatch: bool = False
    seconds: float = 0.0
    tries: int = 1
    reply_id: str | None = None
    served_model: str | None = None
    detail: str = ""
    seeded: bool = True
    note: str = ""


@dataclass(frozen=True)
class Event:
    """A try of a request to an endpoint: `sent` before it is sent, else the reason why it failed."""

    key: int
    attempt: int
    what: str


class Engine(Protocol):
    """Something that samples replies."""

    model_sha: str | None
    facts: dict[str, Any]

    def render(self, request: Request) -> str:
        """The prompt's text after the chat template, or what identifies it where the template is not known."""
        ...

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Sample all requests; completions come as they are earned, in any order."""
        ...


def request_seed(seed: int, benchmark: str, identity: str, attempt: int) -> int:
    """Seed of one sample: the same whatever is asked before it, so that an interrupted run ends as an unbroken one."""
    digest = hashlib.sha256(f"{seed}/{benchmark}/{identity}/{attempt}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


def uniforms(seed: int, count: int) -> "np.ndarray":
    """The uniform numbers that draw one sample's tokens, float64 of shape [count]."""
    import numpy as np

    return np.random.Generator(np.random.Philox(seed)).random(count)


def reply_text(tokenizer: Any, ids: Sequence[int], stop_ids: frozenset[int]) -> tuple[str, bool]:
    """Decode sampled tokens, special ones included, up to the first end-of-sequence token.

    Returns:
        The text, and whether an end-of-sequence token was there.
    """
    kept = list(ids)
    ended = next((index for index, token in enumerate(kept) if token in stop_ids), None)
    kept = kept if ended is None else kept[:ended]
    text = tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return str(text), ended is not None


def stop_tokens(tokenizer: Any, generation_config: Any) -> frozenset[int]:
    """Tokens that end a reply: the generation config's, the tokenizer's end-of-sequence and padding."""
    configured = getattr(generation_config, "eos_token_id", None)
    listed: Iterable[Any] = configured if isinstance(configured, list | tuple) else [configured]
    return frozenset(int(token) for token in (*listed, tokenizer.eos_token_id) if token is not None)


def render(processor: Any, request: Request) -> str:
    """Apply a processor's chat template.

    Raises:
        UserError: It has none.
    """
    try:
        text = processor.apply_chat_template(request.messages(), tokenize=False, add_generation_prompt=True)
    except ValueError as error:
        raise UserError(
            f"the checkpoint's chat template cannot be applied: {error}; save one with its processor"
        ) from None
    return str(text)


def limit_pixels(processor: Any, max_pixels: int) -> None:
    """Make an image processor of the Qwen-VL family scale larger pictures down.

    Raises:
        UserError: The processor has no such limit.
    """
    size = getattr(processor.image_processor, "size", None)
    if size is None or "longest_edge" not in size:
        raise UserError("evaluation.max_image_pixels: this model's image processor has no pixel limit; set it to null")
    # Qwen's processors keep their pixel limits under these two names.
    processor.image_processor.size = {**dict(size), "longest_edge": max_pixels}


def holds_placeholder(processor: Any, request: Request) -> bool:
    """Whether the text itself holds the model's picture or video placeholder, which would be read as a picture."""
    marks = [getattr(processor, name, None) for name in ("image_token", "video_token")]
    return any(mark and mark in f"{request.text}{request.system or ''}" for mark in marks)

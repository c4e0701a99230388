"""What the client and its request pool share: one endpoint, its model, and who is told what."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from vr1repro.config.samplers import EndpointSampler
from vr1repro.core.secrets import REDACTION
from vr1repro.engines.base import Event
from vr1repro.engines.budget import Meter
from vr1repro.engines.endpoint.bodies import ENCODINGS
from vr1repro.engines.endpoint.journal import Journal
from vr1repro.engines.endpoint.protocol import Unclear

# A local server takes any key; a hosted one refuses this with a clear message.
NO_KEY = "no-key"


@dataclass(frozen=True, kw_only=True)
class Connection:
    """An endpoint and the rules under which requests are sent to it.

    Attributes:
        url: Base URL, `/v1` included.
        key: API key, or `NO_KEY`.
        model: The served model's name; empty until it is known.
        settings: Concurrency, retries, further body keys.
        max_image_pixels: Larger pictures are scaled down before they are sent.
        meter: Counts what completions cost, and says when the budget is spent.
        watch: Called with every try before it is sent and after it failed.
        keep_going: Whether a request whose tries are used up becomes a completion with finish reason `failed`; else
            the run ends.
        died: Called after a connection failed; returns the last words of a server of ours that ended, None while it
            runs.
        seen_ids: Ids of replies that were received before, for `unique_ids`.
        journal: Where replies are kept until the caller has taken them.
    """

    url: str
    key: str
    model: str
    settings: EndpointSampler
    max_image_pixels: int | None = None
    meter: Meter = field(default_factory=Meter)
    watch: Callable[[Event], None] = lambda event: None
    keep_going: bool = False
    died: Callable[[], str | None] = lambda: None
    seen_ids: set[str] = field(default_factory=set)
    journal: Journal = field(default_factory=Journal)

    def without_key(self, text: str) -> str:
        """A server's words without the key, which some servers repeat."""
        return REDACTION.text(text)

    def session(self) -> Any:
        """A new `aiohttp.ClientSession` that keeps its connections open."""
        import aiohttp

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
            headers={
                "Authorization": f"Bearer {self.key}",
                "Content-Type": "application/json",
                "Accept-Encoding": ENCODINGS,
            },
            auto_decompress=False,  # `read_body` does it, under a limit
            timeout=aiohttp.ClientTimeout(total=self.settings.timeout_s),
            # A proxy from the environment is for hosted endpoints, never for this machine.
            trust_env=urlsplit(self.url).hostname not in ("127.0.0.1", "localhost", "::1"),
        )


def redirected(url: str, status: int, location: str | None) -> str:
    """Where a redirect within the same server leads.

    Raises:
        Unclear: To another server, which would get prompts and pictures; or with a status after which the body is not
            sent again.
    """
    target = urljoin(url, location or "")
    old, new = urlsplit(url), urlsplit(target)
    if (new.scheme, new.netloc) != (old.scheme, old.netloc):
        there = f"{new.scheme}://{new.netloc.rpartition('@')[2]}"
        raise Unclear(
            f"redirects to {there} (status {status}), which is not followed; give that address as the model, if it is"
            " the one"
        )
    if status not in (307, 308) or target == url:
        raise Unclear(f"redirects to {new.path} (status {status}), which is not followed; give the right address")
    return target

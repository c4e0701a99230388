"""Wait for an event, never for a time: a busy machine only makes a test longer."""

import signal
import time
from collections.abc import Callable

# Past it something hangs. Far longer than anything takes on a busy machine, for time is no property under test.
PATIENCE_S = 600


def wait_until(
    event: Callable[[], object],
    what: str,
    *,
    every_s: float = 0.02,
    patience_s: float = PATIENCE_S,
    evidence: Callable[[], str] = str,
) -> None:
    """Return once `event()` is true; fail, saying what was waited for, where it never is.

    Args:
        event: Looked at again and again. What waits for a process returns true at its end, too, and asserts after.
        what: For the message.
        every_s: Pause between looks.
        patience_s: When to give up.
        evidence: What the message ends with, looked at then.
    """
    deadline = time.monotonic() + patience_s
    while not event():
        assert time.monotonic() < deadline, f"waited {patience_s} s in vain: {what} {evidence()}"
        time.sleep(every_s)


def heed_interrupts() -> None:
    """A `preexec_fn`: what a shell started in the background ignores Ctrl-C, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)

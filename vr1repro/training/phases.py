"""Where the time of a training step goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

PHASES = ("generate", "reward", "log_probs", "update")


class PhaseClock:
    """Seconds by phase since they were last taken; `log_probs` are passes without gradients."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(PHASES, 0.0)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the time inside to a phase, less what other phases take of it."""
        others, began = sum(self._seconds.values()), time.perf_counter()
        try:
            yield
        finally:
            nested = sum(self._seconds.values()) - others
            self._seconds[phase] += time.perf_counter() - began - nested

    def take(self) -> dict[str, float]:
        """The seconds of each phase, which begin again at 0."""
        seconds = self._seconds
        self._seconds = dict.fromkeys(PHASES, 0.0)
        return seconds

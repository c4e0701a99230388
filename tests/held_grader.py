"""The lab's grader behind a gate: it counts requests, and holds replies back so that whoever asks can be killed."""

import threading

from vr1repro.config.graders import ScriptedGrader
from vr1repro.lab.grader import reply


class HeldGrader:
    """Replies of the lab's grader, some of which wait at a gate.

    Attributes:
        arrived: Every prompt that came, in the order of arrival.
        answered: The prompts whose reply went out before the gate was shut.
        held: The prompts whose reply waits now.
        lost: The prompts whose reply waited until the gate opened, and then found nobody.
    """

    def __init__(self, habits: ScriptedGrader) -> None:
        self.habits = habits
        self.arrived: list[str] = []
        self.answered: list[str] = []
        self.held: list[str] = []
        self.lost: list[str] = []
        self._kind, self._left = "", 0
        self._open, self._lock = threading.Event(), threading.Lock()
        self._open.set()

    def __call__(self, prompt: str) -> str:
        """A reply, at once or when the gate opens."""
        with self._lock:
            self.arrived.append(prompt)
            waits = not self._open.is_set() and kind_of(prompt) == self._kind and self._left <= 0
            self._left -= kind_of(prompt) == self._kind
            (self.held if waits else self.answered).append(prompt)
        if waits:
            self._open.wait()
        return reply(prompt, self.habits)

    def shut(self, kind: str, after: int) -> None:
        """Hold back replies to `extract` or `judge` requests once so many have gone out."""
        with self._lock:
            self._kind, self._left = kind, after
            self._open.clear()

    def open(self) -> None:
        """Let all replies go; whoever asked for those that were held has been killed."""
        with self._lock:
            self.lost += self.held
            self.held = []
        self._open.set()


def kind_of(prompt: str) -> str:
    """What a prompt asks for."""
    return "judge" if prompt.endswith("Judgement:") else "extract"

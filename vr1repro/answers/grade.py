"""Grade a stream of answers in processes that are killed at their deadline.

What is decided costs nothing; the rest is `Work` for a pool of processes. Order is kept, a window bounds what is in
memory, equal work is done once, and a worker that hangs or eats its memory yields `timeout` and is replaced.
"""

import multiprocessing
import multiprocessing.connection
import os
import pickle
import tempfile
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from vr1repro.answers.compare import DEFAULT, MatchSettings, cheap, gold_text
from vr1repro.answers.main_guard import refuse_unguarded_script
from vr1repro.answers.mathverify import deep
from vr1repro.core.records import Cause, Outcome

T = TypeVar("T")
Made = TypeVar("Made", covariant=True)
New = TypeVar("New")

# What may wait for a hard item ahead of it, and how many hard items are given to the pool ahead of time.
_WINDOW = 4096
_AHEAD = 32
_LONGEST_MESSAGE = 1024
_WORKER = "vr1repro.answers.preload"


@dataclass(frozen=True)
class Work(Generic[Made]):
    """An item that a worker has to decide.

    Attributes:
        call: A function of a module (it is pickled by name), free of side effects.
        args: Its arguments: hashable, picklable.
        done: Makes the item's result of what the call returned; runs in the main process.
        failed: Makes the item's result of the cause, where the call came to no end.
    """

    call: Callable[..., Any]
    args: tuple[Any, ...]
    done: Callable[[Any], Made]
    failed: Callable[[Cause], Made]

    def map(self, change: Callable[[Made], New], failed: Callable[[Cause], New] | None = None) -> "Work[New]":
        """The same work with another result.

        Args:
            change: Makes the new result of the old one.
            failed: Makes the new result of a cause, for a result that says more of it than the old one does.
        """
        old_done, old_failed = self.done, self.failed
        return Work(
            self.call,
            self.args,
            done=lambda returned: change(old_done(returned)),
            failed=failed or (lambda cause: change(old_failed(cause))),
        )


def mapped(
    item: "T | Work[T]", change: Callable[[T], New], failed: Callable[[Cause], New] | None = None
) -> "New | Work[New]":
    """An item with another result, whether it is decided already or has to be; see `Work.map`."""
    return item.map(change, failed) if isinstance(item, Work) else change(item)


@dataclass(frozen=True)
class Pair:
    """A gold answer and an extracted answer to compare.

    Attributes:
        gold: With choices a letter or the text of a choice.
        pred: The extracted answer, or None where nothing was found.
        choices: In the question's order; None for a free-form question.
    """

    gold: str
    pred: str | None
    choices: tuple[str, ...] | None = None
    settings: MatchSettings = DEFAULT

    def work(self) -> "Outcome | Work[Outcome]":
        """The outcome where it is certain, else the comparison as work for a worker."""
        choices = list(self.choices) if self.choices else None
        decided = cheap(self.gold, self.pred, choices, self.settings)
        if decided is not None:
            return decided
        gold = gold_text(self.gold, choices)
        return Work(deep, (gold, self.pred, self.settings), done=Outcome, failed=_timeout)


def _timeout(cause: Cause) -> Outcome:
    return Outcome.TIMEOUT


class Grader:
    """A pool of killable workers. Use as a context manager; processes start with the first hard item.

    Args:
        timeout_s: Wall-clock seconds for one call; then its worker is killed.
        memory_mb: Address space of a worker in MiB.
        memo: How many results of calls to remember.
    """

    def __init__(self, workers: int = 1, timeout_s: float = 5.0, memory_mb: int = 2048, memo: int = 100_000) -> None:
        self._workers, self._timeout_s, self._memory_mb = workers, timeout_s, memory_mb
        self._pool: Any = None
        self._memo: OrderedDict[Any, Any] = OrderedDict()
        self._memo_size = memo
        self._spilled: tempfile.TemporaryDirectory[str] | None = None
        self._files = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers at once; what they were doing is given up."""
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()
            self._pool = None
        if self._spilled is not None:
            self._spilled.cleanup()
            self._spilled = None

    def stream(self, items: "Iterable[T | Work[T]]") -> Iterator[T]:
        """Decide items in their order.

        Args:
            items: Results that are decided already, and work. Read lazily, at most a few thousand ahead.

        Yields:
            One result for each item, in order.
        """
        window: deque[tuple[Any, Any]] = deque()
        waiting = 0
        for item in items:
            if isinstance(item, Work):
                window.append((item, self._submit(item)))
                waiting += 1
            else:
                window.append((None, item))
            while window and (window[0][0] is None or len(window) > _WINDOW or waiting > self._workers * _AHEAD):
                waiting -= window[0][0] is not None
                yield self._settle(*window.popleft())
        while window:
            yield self._settle(*window.popleft())

    def grade(self, pairs: Iterable[Pair]) -> Iterator[Outcome]:
        """The outcomes of pairs, in their order."""
        return self.stream(pair.work() for pair in pairs)

    def equivalent(
        self, gold: str, pred: str | None, choices: list[str] | None = None, settings: MatchSettings = DEFAULT
    ) -> Outcome:
        """The outcome of one pair."""
        return next(self.grade([Pair(gold, pred, tuple(choices) if choices else None, settings)]))

    def _submit(self, work: Work[Any]) -> Any:
        memo_key = (work.call.__module__, work.call.__qualname__, work.args)
        future = self._memo.get(memo_key)
        if future is None:
            if self._pool is None:
                self._pool = self._start(work.call.__module__)
            call, args = self._small(work)
            future = self._pool.schedule(call, args=args, timeout=self._timeout_s)
            self._memo[memo_key] = future
            if len(self._memo) > self._memo_size:
                self._memo.popitem(last=False)
        else:
            self._memo.move_to_end(memo_key)
        return future

    def _small(self, work: Work[Any]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """The call as a short message. What is long goes by a file.

        The pool's pipe holds 64 KiB. A longer message blocks the pool on a worker that hangs, and with it the
        deadline that would have ended that worker.
        """
        data = pickle.dumps(work.args)
        if len(data) <= _LONGEST_MESSAGE:
            return work.call, work.args
        if self._spilled is None:
            self._spilled = tempfile.TemporaryDirectory(prefix="vr1repro-")
        self._files += 1
        path = Path(self._spilled.name) / str(self._files)
        path.write_bytes(data)
        return _from_file, (work.call, str(path))

    def _settle(self, work: Work[T] | None, value: Any) -> T:
        if work is None:
            decided: T = value
            return decided
        from pebble import ProcessExpired

        causes: dict[type[Exception], Cause] = {
            FutureTimeoutError: "time", ProcessExpired: "killed", MemoryError: "memory", RecursionError: "recursion",
        }  # fmt: skip
        try:
            result = value.result()
        except tuple(causes) as error:  # no verdict on the answer
            return work.failed(next(cause for kind, cause in causes.items() if isinstance(error, kind)))
        return work.done(result)

    def _start(self, module: str) -> Any:
        from pebble import ProcessPool

        arguments = (self._memory_mb, module)
        return ProcessPool(max_workers=self._workers, initializer=_limit, initargs=arguments, context=fork_server())


def fork_server() -> Any:
    """The context of every process pool here.

    A fork server holds no thread and no GPU of ours, and a new worker costs a fork, not an import. There is one in a
    process, and the pool that starts first decides what it has loaded: so all pools take it from here.

    Raises:
        UserError: A script calls this at its top level, so that each process would run it again.
    """
    refuse_unguarded_script()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_WORKER])
    return context


def end_with_parent() -> None:
    """End this worker once the process that started its pool is gone, however that ended; every pool's initializer.

    A worker that waits for work holds the fork server alive, and that the worker: nothing else would end either.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _from_file(call: Callable[..., Any], path: str) -> Any:
    args = pickle.loads(Path(path).read_bytes())  # noqa: S301 - this process's parent wrote it, in a folder of its own
    return call(*args)


def _limit(memory_mb: int, module: str) -> None:
    """Load what a worker needs, bound its address space, and let SIGTERM end it even inside a long C call.

    Where the calls' module has a function `warm`, it is run here: no call's deadline is to pay for imports.
    """
    import importlib
    import resource
    import signal

    end_with_parent()
    # The fork server has it where it could; here it costs nothing then, and no deadline runs yet.
    importlib.import_module(_WORKER)
    warm = getattr(importlib.import_module(module), "warm", None)
    if warm is not None:
        warm()

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    limit = memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

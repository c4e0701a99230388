"""Filter, polish and export: drafts of all shards become the cold-start set (paper section 3.3.1, steps 5 to 7).

Nothing whole is held: problems pass by row group, drafts are read where they lie, rules run in worker processes, and
what they leave goes to the grader's killable ones. Traces and set are in the order of the problem files, so neither the
number of shards nor the order of their arrival can be seen in them.
"""

import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

from vr1repro.answers.grade import Grader, Work, end_with_parent, fork_server
from vr1repro.coldset import export
from vr1repro.coldset.filters import ANSWER_RULES
from vr1repro.coldset.judge import Judged, Part, Place, judge, with_reason
from vr1repro.coldset.yields import Yield
from vr1repro.config.coldset import ColdsetSettings
from vr1repro.core.errors import UserError
from vr1repro.core.files import explained, whole_file, write_atomically
from vr1repro.core.jsonl import read_lines
from vr1repro.core.records import Outcome

Key = tuple[str, str]


def merge(
    problems: Sequence[Path],
    drafts: Sequence[Path],
    settings: ColdsetSettings,
    out: Path,
    workers: int,
    dropped: frozenset[Key] = frozenset(),
) -> dict[str, Any]:
    """Build the cold-start set.

    Args:
        problems: The sources' Parquet files, in the config's order.
        drafts: The shards' `drafts.jsonl`, in any order.
        settings: The data engine's settings.
        out: Folder for coldset.parquet (kept traces with their images), traces.jsonl (all, with the reason of each
            rejection), yield.json, README.md (the hub's dataset card) and dataset_info.json (LLaMA-Factory's).
        workers: Processes for the rules, and as many for the grader; with 1 the rules run in this process.
        dropped: Source and id of problems that are left out for their overlap with a benchmark.

    Returns:
        The content of yield.json.

    Raises:
        UserError: A draft has no problem or came twice, nothing was kept, or the disk is full.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    places = index(drafts)
    files = [pq.ParquetFile(path) for path in problems]
    counts = Yield()
    with (
        Grader(workers=workers, timeout_s=settings.answer_timeout_s) as grader,
        whole_file(out / "traces.jsonl") as traces,
        whole_file(out / export.COLDSET) as stream,
        pq.ParquetWriter(stream, export.schema(), use_dictionary=["source"]) as writer,
    ):
        parts = (
            part for path, file in zip(problems, files, strict=True)
            for part in _parts(path, file, tuple(drafts), places, dropped)
        )  # fmt: skip
        held: deque[tuple[Part, Judged]] = deque()
        reasons = grader.stream(_items(_judged(parts, settings, workers), held))
        for part, done, now in _settled(held, reasons):
            counts.add(done, now)
            traces.writelines(with_reason(line, reason) for line, reason in zip(done.lines, now, strict=True))
            stays = [row for row, reason in zip(done.rows, now, strict=True) if reason is None]
            if stays:
                mask = pa.array([reason is None for reason in now])
                texts = pa.ipc.open_stream(done.table).read_all().filter(mask)
                images = files[problems.index(part.problems)].read_row_group(part.group, ["image"]).take(stays)
                table = texts.append_column("image", images["image"]).select(export.schema().names)
                with explained(out / export.COLDSET):
                    writer.write_table(table.cast(export.schema()))
        if places:
            source, identity = next(iter(places))
            raise UserError(f"drafts: problem {identity!r} of {source!r} is not among the sources; bridge again")
        if not counts.kept:
            raise UserError(
                f"coldset: none of {counts.problems} traces was kept ({counts.words()}); look at the shards"
            )
    report = counts.report()
    write_atomically(out / "yield.json", json.dumps(report, indent=2) + "\n")
    export.write_cards(out, report, settings)
    return report


def index(drafts: Sequence[Path]) -> dict[Key, Place]:
    """Where each problem's draft lies; raises `UserError` where one came twice or a line is damaged."""
    places: dict[Key, Place] = {}
    for number, path in enumerate(drafts):
        offset = 0
        with path.open("rb") as lines:
            for line in lines:
                key = _key(path, line)
                if key in places:
                    raise UserError(f"{path}: problem {key[1]!r} of {key[0]!r} has two drafts; bridge again")
                places[key] = (number, offset, len(line))
                offset += len(line)
    return places


def _key(path: Path, line: bytes) -> Key:
    try:
        row = json.loads(line)
        return str(row["source"]), str(row["id"])
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: a line is no draft; bridge this shard again") from None


def _parts(
    path: Path, file: Any, drafts: tuple[Path, ...], places: dict[Key, Place], dropped: frozenset[Key]
) -> Iterator[Part]:
    for group in range(file.num_row_groups):
        columns = file.read_row_group(group, ["source", "id"]).to_pydict()
        keys = list(zip(columns["source"], columns["id"], strict=True))
        lost = frozenset(number for number, key in enumerate(keys) if key in dropped)
        yield Part(path, group, drafts, tuple(places.pop(key, None) for key in keys), lost)


def _judged(parts: Iterator[Part], settings: ColdsetSettings, workers: int) -> Iterator[tuple[Part, Judged]]:
    """Judge parts in their order, some ahead of the one that is wanted."""
    if workers <= 1:
        yield from ((part, judge(part, settings)) for part in parts)
        return
    waiting: deque[tuple[Part, Future[Judged]]] = deque()
    with ProcessPoolExecutor(workers, mp_context=fork_server(), initializer=end_with_parent) as pool:
        for part in parts:
            waiting.append((part, pool.submit(judge, part, settings)))
            if len(waiting) > 2 * workers:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()


def _items(
    judged: Iterator[tuple[Part, Judged]], held: deque[tuple[Part, Judged]]
) -> "Iterator[str | Outcome | Work[str | Outcome]]":
    """What the grader is to decide or hand through; the parts wait in `held` for its results."""
    for part, done in judged:
        held.append((part, done))
        yield from done.decided


def _settled(
    held: deque[tuple[Part, Judged]], reasons: "Iterator[str | Outcome]"
) -> Iterator[tuple[Part, Judged, list[str | None]]]:
    """Parts whose every row is decided, in their order, each row with the reason of its rejection or None."""
    found: list[str | None] = []
    for result in reasons:
        found.append(ANSWER_RULES.get(result) if isinstance(result, Outcome) else result)
        while held and len(found) >= len(held[0][1].rows):
            part, done = held.popleft()
            now, found = found[: len(done.rows)], found[len(done.rows) :]
            yield part, done, now


def read_dropped(path: Path) -> frozenset[Key]:
    """Source and id of the problems that an overlap report's list of pairs names."""
    return frozenset((str(row["source"]), str(row["id"])) for _, row in read_lines(path))

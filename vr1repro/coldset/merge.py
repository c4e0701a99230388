"""Filter, polish and export: drafts of all shards become the cold-start set (paper section 3.3.1, steps 5 to 7).

Nothing whole is held: problems pass by row group, drafts are read where they lie, rules run in worker processes, and
what they leave goes to the grader's killable ones. Traces and set are in the order of the problem files, so neither the
number of shards nor the order of their arrival can be seen in them.
"""

import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from vr1repro.answers.grade import Grader, end_with_parent, fork_server, mapped
from vr1repro.coldset import export
from vr1repro.coldset.filters import ANSWER_RULES
from vr1repro.coldset.judge import Decision, Judged, JudgedRow, Part, Place, judge
from vr1repro.coldset.yields import Yield
from vr1repro.config.coldset import ColdsetSettings
from vr1repro.core.errors import UserError
from vr1repro.core.files import explained, whole_file, write_atomically
from vr1repro.core.jsonl import read_lines
from vr1repro.core.outside import decoded, json_cell
from vr1repro.core.records import Outcome, dump_line

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
        for part, judged, reasons in _settled(_judged(parts, settings, workers), grader):
            counts.add(judged, reasons)
            traces.writelines(map(_line, judged.rows, reasons))
            stays = [row.number for row, reason in zip(judged.rows, reasons, strict=True) if reason is None]
            if stays:
                mask = pa.array([reason is None for reason in reasons])
                texts = pa.ipc.open_stream(judged.table).read_all().filter(mask)
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
        row = json_cell(decoded(line, str(path)), str(path))
        return str(row["source"]), str(row["id"])
    except (UserError, KeyError, TypeError):
        raise UserError(f"{path}: a line is no draft; bridge this shard again") from None


def _parts(
    path: Path, file: Any, drafts: tuple[Path, ...], places: dict[Key, Place], dropped: frozenset[Key]
) -> Iterator[Part]:
    for group in range(file.num_row_groups):
        columns = file.read_row_group(group, ["source", "id"]).to_pydict()
        keys = list(zip(columns["source"], columns["id"], strict=True))
        lost = frozenset(number for number, key in enumerate(keys) if key in dropped)
        yield Part(
            problems=path, group=group, drafts=drafts, places=tuple(places.pop(key, None) for key in keys),
            dropped=lost,
        )  # fmt: skip


def _judged(parts: Iterator[Part], settings: ColdsetSettings, workers: int) -> Iterator[tuple[Part, Judged]]:
    """Judge parts in their order, some ahead of the one that is read."""
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


@dataclass(frozen=True)
class _Settled:
    """A row with its final decision."""

    part: Part
    judged: Judged
    decision: Decision

    @property
    def reason(self) -> str | None:
        """Of its rejection, None where it stays."""
        return ANSWER_RULES.get(self.decision) if isinstance(self.decision, Outcome) else self.decision


def _settled(parts: Iterator[tuple[Part, Judged]], grader: Grader) -> Iterator[tuple[Part, Judged, list[str | None]]]:
    """Parts in their order, with the reason of each row's rejection or None."""
    rows = grader.stream(
        mapped(row.decision, partial(_Settled, part, judged)) for part, judged in parts for row in judged.rows
    )
    for _, group in groupby(rows, attrgetter("part.problems", "part.group")):
        first, *rest = group
        yield first.part, first.judged, [row.reason for row in (first, *rest)]


def _line(row: JudgedRow, reason: str | None) -> bytes:
    return (dump_line(row.trace.model_copy(update={"rejected": reason})) + "\n").encode("ascii")


def read_dropped(path: Path) -> frozenset[Key]:
    """Source and id of the problems that an overlap report's list of pairs names."""
    return frozenset((str(row["source"]), str(row["id"])) for _, row in read_lines(path))

"""What a worker of the merge does with one part: read its problems and drafts, polish, try the cheap rules, write rows.

A part is a row group of a problem file, so that parts are the same whatever the shards were. Everything here is a pure
function of the files; the main process only joins the parts in their order.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vr1repro.answers.completion import answer_only, completion
from vr1repro.answers.grade import Work
from vr1repro.coldset import words
from vr1repro.coldset.filters import PICTURE, Candidate, first_rule, pair, split_chain, split_reply
from vr1repro.coldset.polish import polish
from vr1repro.coldset.records import Draft
from vr1repro.config.coldset import ColdsetSettings
from vr1repro.core.errors import UserError
from vr1repro.core.outside import decoded, json_cell
from vr1repro.core.problem_files import problem_row
from vr1repro.core.records import Outcome, Problem, Trace, sha256
from vr1repro.problems.prompt import user_turn

# Where a draft lies: number of the file, first byte, length.
Place = tuple[int, int, int]
# Name of a rejecting rule, or the answer's outcome.
Decision = str | Outcome
_NO_WORDS = [0] * (len(words.count("")) + 1)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A row group of a problem file with its drafts, as a worker gets it.

    Attributes:
        problems: The Parquet file of the problems.
        group: Number of the row group in it that the part covers.
        drafts: The shards' `drafts.jsonl`.
        places: Where each row's draft lies; None for a row without one.
        dropped: Rows that the overlap report drops.
    """

    problems: Path
    group: int
    drafts: tuple[Path, ...]
    places: tuple[Place | None, ...]
    dropped: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class JudgedRow:
    """A row that has a draft.

    Attributes:
        number: Its place in the row group.
        decision: Name of the rejecting rule, the answer's outcome, or the work left to the grader.
        trace: Open as to its rejection.
        words: The chain's self-reflection words (`words.count`) and its number of words; zeros for a rejected one.
    """

    number: int
    decision: Decision | Work[Decision]
    trace: Trace
    words: list[int]


@dataclass(frozen=True)
class Judged:
    """What a worker makes of a `Part`.

    Attributes:
        rows: Those that have a draft, in the file's order.
        table: The text columns of the set, as an Arrow stream; a row for each of `rows`.
        polished: Replacements by rule.
    """

    rows: list[JudgedRow]
    table: bytes
    polished: Counter[str]


def _draft(line: bytes, where: str) -> Draft:
    try:
        return Draft.model_validate(json_cell(decoded(line, where), where))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{where}: not a draft: {key}: {first['msg']}; bridge this shard again") from None


def judge(part: Part, settings: ColdsetSettings) -> Judged:
    """Judge one part, all but what only the grader can compare."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    judged: list[JudgedRow] = []
    columns: list[dict[str, Any]] = []
    polished: Counter[str] = Counter()
    rows = pq.ParquetFile(part.problems).read_row_group(part.group).to_pylist()
    streams = {number: part.drafts[number].open("rb") for number in {place[0] for place in part.places if place}}
    try:
        for number, (row, place) in enumerate(zip(rows, part.places, strict=True)):
            if place is None:
                continue
            streams[place[0]].seek(place[1])
            draft = _draft(streams[place[0]].read(place[2]), f"{part.drafts[place[0]]}, byte {place[1]}")
            image = (row.pop("image") or {}).get("bytes")
            row["metadata"] = json_cell(row.get("metadata") or "{}", f"{part.problems}: metadata of {row['id']!r}")
            problem = Problem(**row)
            chain, answer = split_reply(draft.reply)
            if settings.polish:
                chain, counts = polish(chain)
                polished.update(counts)
            candidate = Candidate(
                chain=chain, final_answer=answer, gold=problem.answer, finished=draft.finished,
                choices=tuple(problem.choices) if problem.choices else None, rest=split_chain(draft.reply)[1],
            )  # fmt: skip
            rejected = draft.rejected or ("overlap" if number in part.dropped else None)
            decision = rejected or first_rule(candidate, settings) or pair(candidate).work()
            # An outcome is a string too; only right ones and those still to be compared may stay.
            may_stay = decision is Outcome.RIGHT or isinstance(decision, Work)
            trace = Trace(
                id=problem.id, source=problem.source, image_sha=None if image is None else sha256(image),
                question=problem.question, answer=problem.answer, pseudo_cot=draft.pseudo_cot,
                description=draft.description, chain=chain, final_answer=answer,
            )  # fmt: skip
            counted = [*words.count(chain), len(candidate.words)] if may_stay else _NO_WORDS
            judged.append(JudgedRow(number=number, decision=decision, trace=trace, words=counted))
            # The texts of a rejected row are not written, so they need not travel.
            columns.append(exported(problem, chain if may_stay else "", pictured=image is not None))
    finally:
        for stream in streams.values():
            stream.close()
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(columns, schema=text_schema())
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Judged(judged, sink.getvalue().to_pybytes(), polished)


def exported(problem: Problem, chain: str, pictured: bool) -> dict[str, Any]:
    """The text columns of a row of the set; the answer is the source's own, not the reasoner's wording of it.

    `messages` is TRL's conversational form (the picture stands in a column of its own); `instruction` and `output` are
    LLaMA-Factory's, which wants as many marks in the text as there are pictures.
    """
    reply = completion(chain, problem.answer)
    instruction = user_turn(problem)
    texts = {"completion": reply, "answer_only": answer_only(problem.answer)}
    row = problem_row(problem.model_copy(update={"metadata": {**problem.metadata, **texts}}))
    del row["image"]
    turns = [{"role": "user", "content": instruction}, {"role": "assistant", "content": reply}]
    return {**row, "messages": turns, "instruction": f"{PICTURE if pictured else ''}{instruction}", "output": reply}


def text_schema() -> Any:
    """The Arrow schema of the set without its images."""
    import pyarrow as pa

    turn = pa.struct([("role", pa.string()), ("content", pa.string())])
    names = ("id", "source", "question", "answer", "metadata", "instruction", "output")
    return pa.schema(
        [*((name, pa.string()) for name in names), ("choices", pa.list_(pa.string())), ("messages", pa.list_(turn))]
    )

"""`vr1repro extract` and `vr1repro judge`: the two places where benchmarks use an LLM, apart from grading.

Each reads responses and writes them again with one more key, which the scoring profiles read: `extraction`, or
`judgement` with `judged_as`; another key has the model that the endpoint says it is. A row whose call failed comes
without those keys and with the reason; the profiles then say `judge_error` and the score has bounds. The workflow's
jobs call the same functions, and keep what the LLM brought beside the responses instead of writing them again.

The default instructions are ours. The official few-shot examples belong to their authors and are not shipped; with
`--examples FILE` they stand before the question in the official layout (MathVista: `demo_prompt` of
evaluation/prompts/ext_ans.py; MathVerse: evaluation/prompts.py), and the prompt is then the official one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import tee
from pathlib import Path

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.questions import named_rows, question_of, read_questions
from vr1repro.benchmarks.rows import Row, text_of
from vr1repro.config.evaluation import Protocol
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read_lines, write_rows
from vr1repro.evaluation.counted import IDENTITY, response_rows
from vr1repro.evaluation.llm import Answer, Counts, Llm

_EXTRACTED = "Extracted answer:"
_EXTRACTION_LAYOUT = "{head}\n\n{question}\n\n{response}\n\n" + _EXTRACTED + " "
_EXTRACT = (
    "Below are a question and a model's response to it. Write only the final answer that the response gives to the"
    " question, as short as the question asks for it: the letter of a choice, a number, a list, or an expression."
    " Write null where the response gives none."
)
_JUDGE = (
    "Below are a question, its standard answer, and a model's answer. Reply with 1 if the model's answer is consistent"
    " with the standard answer, and with 0 if it is not. Reply with nothing but 1 or 0."
)


@dataclass(frozen=True, kw_only=True)
class LlmFiles:
    """What is read and written.

    Attributes:
        responses: JSONL with an id and `response`.
        questions: The benchmark's questions.
        out: JSONL: the responses' rows with the LLM's part, or with why there is none.
        protocol: Which attempt at a question counts, and how it is read; None takes every row as it stands.
        beside: Files of further keys for those rows, see `counted.response_rows`.
        apart: Write the LLM's part alone, with what says which response it is of: a file to stand beside.
    """

    responses: Path
    questions: Path
    out: Path
    protocol: Protocol | None = None
    beside: tuple[Path, ...] = ()
    apart: bool = False


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What the LLM does with a row.

    Attributes:
        prompt: What it is asked; None where it is not needed.
        fits: Whether a reply is one.
        finished: The row with the reply in it, None where the LLM was not needed.
        error_key: The row's key for why there is no reply.
        served_key: The row's key for the model that the endpoint says the reply was made by.
    """

    prompt: Callable[[Question, Row], str | None]
    fits: Callable[[str], bool]
    finished: Callable[[Question, Row, str | None], Row]
    error_key: str
    served_key: str


def require_extracted(slug: str) -> None:
    """Refuse a benchmark of which nobody reads an extraction.

    Raises:
        UserError: No profile reads one.
    """
    if not lookup.facts(slug).llm_extracted:
        known = ", ".join(name for name in lookup.slugs() if lookup.facts(name).llm_extracted)
        raise UserError(f"{slug}: no profile reads an LLM's extraction; there is one for {known}")


def require_judged(slug: str, profile: str) -> None:
    """Refuse a profile that reads no judgement.

    Raises:
        UserError: It reads none.
    """
    if profile not in lookup.facts(slug).llm_judged:
        judged = {name: lookup.facts(name).llm_judged for name in lookup.slugs()}
        known = ", ".join(f"{name} {'/'.join(profiles)}" for name, profiles in judged.items() if profiles)
        raise UserError(f"{slug} {profile}: no judge replies are read there; they are for {known}")


def extract_file(
    slug: str,
    files: LlmFiles,
    llm: Llm,
    *,
    examples: Path | None = None,
    last_words: int | None = None,
    longest: int = 20_000,
) -> Counts:
    """Let an LLM extract the answers of responses.

    A benchmark's own rule comes first (MathVista: a response that is a choice or a number as it stands).

    Args:
        slug: The benchmark.
        files: Rows come out with `extraction`, or with `extraction_error`.
        llm: Who is asked.
        examples: Text file with few-shot examples.
        last_words: Keep only the last words of a response (MathVerse's README: 30).
        longest: Keep only the last characters of a response.

    Returns:
        How many replies came from the cache, from the endpoint, and not at all.

    Raises:
        UserError: The benchmark has no such stage, a file is unreadable, or a response has no question.
    """
    require_extracted(slug)
    without_llm = lookup.extraction(slug, "EXTRACT_WITHOUT_LLM", lambda question, text: None)
    official_layout = lookup.extraction(slug, "EXTRACTION_LAYOUT", _EXTRACTION_LAYOUT)
    shots = _examples(examples)

    def prompt(question: Question, row: Row) -> str | None:
        if without_llm(question, text_of(row)) is not None:
            return None
        text = _shortened(text_of(row), last_words, longest)
        words = question.get("query") or question.get("question_for_eval") or question.get("question") or ""
        layout = _EXTRACTION_LAYOUT if shots is None else official_layout
        return str(layout).format(head=shots or _EXTRACT, question=words, response=text)

    def finished(question: Question, row: Row, reply: str | None) -> Row:
        if reply is None:  # the benchmark's own rule decided
            return {**row, "extraction": without_llm(question, text_of(row)), "extracted_by": "rule"}
        answer = reply.strip()
        for head in ("Extracted Answer:", _EXTRACTED):
            answer = answer.removeprefix(head).strip()
        return {**row, "extraction": answer, "extracted_by": llm.asker.model}

    task = _Task(
        prompt=prompt,
        fits=lambda reply: bool(reply.strip()),
        finished=finished,
        error_key="extraction_error",
        served_key="extraction_served_model",
    )
    return _ask_each_row(slug, files, llm, task)


def judge_file(
    slug: str,
    profile: str,
    files: LlmFiles,
    llm: Llm,
    *,
    examples: Path | None = None,
    longest: int = 20_000,
) -> Counts:
    """Let an LLM judge answers with 0 or 1: of `lmms-eval` the whole response, else the extraction.

    Args:
        slug: The benchmark.
        profile: The scoring profile that the judgement is for.
        files: The responses have an `extraction`, but for `lmms-eval`; rows come out with `judgement` and `judged_as`,
            or with `judgement_error`.
        llm: Who is asked.
        examples: Text file with few-shot examples.
        longest: Keep only the last characters of an answer.

    Returns:
        How many replies came from the cache, from the endpoint, and not at all.

    Raises:
        UserError: The benchmark or profile has no such stage, a file is unreadable, or a response has no question.
    """
    require_judged(slug, profile)
    head = _examples(examples) or _JUDGE

    def prompt(question: Question, row: Row) -> str | None:
        answer = text_of(row) if profile == "lmms-eval" else row.get("extraction")
        if answer is None or (profile == "vlmevalkit" and str(answer).strip() == str(question["answer"]).strip()):
            return None
        words = question.get("question_for_eval") or question.get("question") or ""
        return (
            f"{head}\n\n[Question]: {words}\n[Standard Answer]: {question['answer']}\n"
            f"[Model_answer] : {str(answer)[-longest:]}\nJudgement:"
        )

    def finished(question: Question, row: Row, reply: str | None) -> Row:
        if reply is None:
            return row
        return {**row, "judgement": reply.strip(), "judged_as": profile, "judged_by": llm.asker.model}

    task = _Task(
        prompt=prompt,
        fits=lambda reply: reply.strip() in ("0", "1"),
        finished=finished,
        error_key="judgement_error",
        served_key="judgement_served_model",
    )
    return _ask_each_row(slug, files, llm, task)


def _ask_each_row(slug: str, files: LlmFiles, llm: Llm, task: _Task) -> Counts:
    benchmark, before = lookup.facts(slug), replace(llm.counts)
    questions = read_questions(benchmark, files.questions)

    def rows() -> Iterator[tuple[Question, Row]]:
        saved = response_rows(files.responses, files.protocol, files.beside)
        for number, row in named_rows(benchmark, questions, saved):
            yield question_of(questions, row, benchmark, files.responses, number), row

    def finished() -> Iterator[Row]:
        kept, to_ask = tee(rows())
        answers = llm.answers((task.prompt(*item) for item in to_ask), task.fits)
        for (question, row), answer in zip(kept, answers, strict=True):
            whole = _with_answer(task, question, row, answer)
            yield _part(row, whole) if files.apart else whole

    write_rows(files.out, finished())
    return llm.counts.since(before)


def outcomes(path: Path, key: str) -> dict[str, int]:
    """Rows of a file that an LLM's stage wrote apart, and those that have no reply although they needed one."""
    rows = [row for _, row in read_lines(path)]
    return {
        "rows": len(rows),
        "given": sum(key in row for row in rows),
        "failed": sum(f"{key}_error" in row for row in rows),
    }


def _with_answer(task: _Task, question: Question, row: Row, answer: Answer | None) -> Row:
    if answer is None:
        return task.finished(question, row, None)
    served = {} if answer.served_model is None else {task.served_key: answer.served_model}
    if answer.text is None:
        return {**row, task.error_key: answer.error} | served
    return task.finished(question, row, answer.text) | served


def _part(row: Row, finished: Row) -> Row:
    """What a finished row has beyond the row that it was made of."""
    return {name: value for name, value in finished.items() if name in IDENTITY or name not in row}


def _examples(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text: {error}") from None


def _shortened(text: str, last_words: int | None, longest: int) -> str:
    text = text[-longest:]
    return text if last_words is None else " ".join(text.split(" ")[-last_words:])

"""The table of bad inputs: what was put in, what came of it, with which exit code and message.

    python bench/bad_inputs.py --out results/reference/verify/bad_inputs.csv

The first 195 rows are the cases of an audit of version 0.2, of which 62 did not end as they should; `AUDIT` says which
test shows each today. The rows after them are further cases of the same tests' tables. The tests run here, and the last
message for a user that each made is kept with what it names: a file and a line, a file, or a key.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vr1repro.core.errors import UserError
from vr1repro.core.files import write_csv
from vr1repro.core.images import BadImage

REPO = Path(__file__).resolve().parents[1]
_BAD, _RECORDS, _FILES = "core/test_bad_inputs.py", "core/test_records.py", "core/test_files.py"
_LINE, _CONFIG = f"{_BAD}::test_a_bad_line_is_named", f"{_BAD}::test_a_bad_config_is_named_by_line"
_READ, _RECORD = f"{_BAD}::test_what_only_looks_bad_is_read", f"{_BAD}::test_a_bad_record_is_named_by_its_key"
_PLACE, _PICTURE = (
    f"{_BAD}::test_a_place_where_no_file_is_is_named",
    f"{_BAD}::test_a_bad_picture_is_counted_under_a_word",
)
_STORED = f"{_BAD}::test_a_picture_s_path_is_followed_inside_its_folder_alone"
_MEMBER, _ZIP = f"{_BAD}::test_a_bad_member_of_a_zip_is_counted_under_a_word", f"{_BAD}::test_a_bad_zip_is_named"
_TAR = f"{_BAD}::test_a_bad_archive_is_named_and_leaves_nothing_outside"
_PARQUET = f"{_BAD}::test_damaged_parquet_is_named_by_every_reader"
_SCORES, _FUZZ = (
    f"{_BAD}::test_a_bad_score_file_is_named",
    "core/test_fuzz.py::test_fixed_mutations_give_values_or_one_message",
)
_PAIRS = "answers/test_hostile_pairs.py"
_ENDPOINT = "engines/test_hostile_endpoint.py"
_KEPT = f"{_ENDPOINT}::test_a_fault_beside_the_text_keeps_the_text"
_FAILED = f"{_ENDPOINT}::test_a_reply_without_text_is_a_failed_row_with_its_reason"
_OTHERS = "evaluation/test_bad_inputs_of_others.py"
_RESPONSES = f"{_OTHERS}::test_bad_responses_are_named"
_RUN = "reporting/run/test_integrity.py::test_what_no_job_wrote_is_refused"
_PAGE = "reporting/run/test_integrity.py::test_what_is_missing_or_unchecked_is_named_in_the_page"
_END = "../end_to_end/test_evaluate_endpoint.py"

# Number of the audit's case, or the first of several; what was put in; and the tests below tests/unit, by the beginning
# of their ids. What is several numbers is a list of cases of one test, in the audit's order.
AUDIT: tuple[tuple[int, str, str], ...] = (
    (1, "jsonl: invalid UTF-8", f"{_LINE}[invalid UTF-8]"),
    (2, "jsonl: 200k nested lists", f"{_LINE}[lists nested 200 000 deep]"),
    (3, "jsonl: 5000-digit integer", f"{_LINE}[5000 digits]"),
    (4, "jsonl: NaN/Infinity", f"{_READ}"),
    (5, "jsonl: duplicate key", f"{_LINE}[a key twice]"),
    (6, "jsonl: UTF-8 BOM", f"{_LINE}[a byte order mark]"),
    (7, "jsonl: UTF-16", f"{_LINE}[UTF-16]"),
    (8, "jsonl: NUL bytes after power loss", f"{_LINE}[zeros after a power cut]"),
    (9, "jsonl: U+2028 in a raw line", f"{_READ}"),
    (10, "jsonl: bare CR line ends", f"{_LINE}[carriage returns alone]"),
    (11, "jsonl: a directory", f"{_PLACE}[a folder-jsonl]"),
    (12, "jsonl: missing", f"{_PLACE}[nothing-jsonl]"),
    (13, "jsonl: array row", f"{_LINE}[a list]"),
    (14, "Response: n_tokens negative", f"{_RECORD}[negative tokens]"),
    (15, "Verdict: unknown outcome", f"{_RECORD}[an unknown outcome]"),
    (16, "Verdict: correct:true with verdict:wrong", f"{_BAD}::test_a_verdict_cannot_contradict_itself"),
    (17, "yaml: alias bomb 9^9", f"{_CONFIG}[aliases of aliases]"),
    (18, "yaml: self-reference &a [*a]", f"{_CONFIG}[an alias in itself]"),
    (19, "yaml: !!python/object/apply", f"{_CONFIG}[a Python object]"),
    (20, "yaml: control character", f"{_CONFIG}[a control character]"),
    (21, "yaml: impossible date 2001-99-99", f"{_CONFIG}[an impossible date]"),
    (22, "yaml: 5000-digit integer", f"{_CONFIG}[5000 digits]"),
    (23, "yaml: sexagesimal/octal seed 0o17", f"{_CONFIG}[octal as in Python]"),
    (24, "yaml: 100k nested flow", f"{_CONFIG}[flow nested 100 000 deep]"),
    (25, "yaml: run name ../../x", f"{_CONFIG}[a run's name that leads out]"),
    (26, "yaml: run name with spaces/unicode", f"{_CONFIG}[a run's name with blanks]"),
    (27, "yaml: run name $(touch x)", f"{_CONFIG}[a run's name as a command]"),
    (28, "yaml: empty file", f"{_CONFIG}[an empty file]"),
    (29, "yaml: merge key << list", f"{_CONFIG}[a merge of a list]"),
    (30, "yaml: unhashable key", f"{_CONFIG}[a key that is a list]"),
    (31, "yaml: seeds twice [1,1]", f"{_CONFIG}[a seed twice]"),
    (32, "yaml: UTF-16 file", f"{_BAD}::test_a_config_that_is_no_utf_8_is_named[utf-16]"),
    (33, "image: PNG header 60000x60000", f"{_PICTURE}[60 000 x 60 000 pixels]"),
    (34, "image: PNG header 2^31 wide", f"{_PICTURE}[2 000 000 000 pixels wide]"),
    (35, "image: truncated PNG", f"{_PICTURE}[cut]"),
    (36, "image: PNG of zero width", f"{_PICTURE}[of no width]"),
    (37, "image: SVG with script", f"{_PICTURE}[SVG]"),
    (38, "image: HTML bytes", f"{_PICTURE}[HTML]"),
    (39, "image: EPS (ghostscript)", f"{_PICTURE}[EPS]"),
    *((40 + n, f"image: mutated {kind}", f"{_FUZZ}[pictures, {kind}]")
      for n, kind in enumerate(("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"))),
    (46, "zip: 300 MB member in 300 KB", f"{_MEMBER}[300 MB in 300 kB]"),
    (47, "zip: not a zip", f"{_ZIP}[a text]"),
    (48, "zip: corrupt deflate stream", f"{_MEMBER}[a damaged stream]"),
    (49, "zip: unknown compression method", f"{_MEMBER}[an unknown method]"),
    (50, "folder image: ../../etc/passwd", f"{_STORED}[out of the folder]"),
    (51, "folder image: absolute", f"{_STORED}[absolute]"),
    (52, "folder image: symlink out", f"{_STORED}[by a link]"),
    (53, "folder image: NUL in path", f"{_STORED}[a NUL]"),
    (54, "folder image: 5000-character name", f"{_STORED}[5000 letters]"),
    (55, "folder image: a FIFO", f"{_STORED}[a pipe]"),
    (56, "tar: ../../PWNED", f"{_TAR}[out of the folder]"),
    (57, "tar: an absolute name", f"{_BAD}::test_a_good_archive_is_unpacked_and_absolute_names_stay_inside"),
    (58, "tar: symlink to / then through it", f"{_TAR}[a link out, and through it]"),
    (59, "tar: hardlink out", f"{_TAR}[a hard link out]"),
    (60, "tar: device node", f"{_TAR}[a device]"),
    (61, "tar.xz bomb: 2 GB from 300 KB", f"{_TAR}[2 GB in 300 kB]"),
    (62, "tar.xz truncated at 50 %", f"{_TAR}[cut in half]"),
    (63, "tar.xz one byte flipped in the middle", f"{_TAR}[a byte flipped]"),
    (64, "tar.xz empty file", f"{_TAR}[empty]"),
    (65, "parquet: truncated", f"{_PARQUET}[tiny-report]"),
    (66, "parquet: truncated real file", f"{_PARQUET}[cut-report]"),
    (67, "parquet: flipped bytes", f"{_PARQUET}[flipped-report]"),
    (68, "parquet: missing columns", f"{_BAD}::test_a_bad_question_is_named[a column is missing]"),
    (69, "grade questions parquet truncated", f"{_PARQUET}[cut-grade]"),
    (70, 'score file: accuracy "nan"', f"{_SCORES}[NaN]"),
    (71, "score file: accuracy 1e999", f"{_SCORES}[infinite]"),
    (72, "score file: nested 100k", f"{_SCORES}[nested]"),
    (73, "score file: null name", f"{_SCORES}[null]"),
    (74, "pair: 38 answers that hang, eat memory or run code", f"{_PAIRS}::test_a_hostile_pair_is_decided"),
    (112, "final_answer: 9 long texts", f"{_PAIRS}::test_a_long_text_is_read"),
    (121, "mathvista: 15 evil responses, 4 profiles", f"{_PAIRS}::test_fifteen_evil_responses"),
    (125, "response is a number", f"{_RESPONSES}[a response that is a number]"),
    (126, "response is null", f"{_RESPONSES}[a response that is null]"),
    (127, "response key missing", f"{_RESPONSES}[no response]"),
    (128, "same response twice (dup id)", f"{_RESPONSES}[a response twice]"),
    (129, "question row without choices/answer", f"{_BAD}::test_a_bad_question_is_named[a column is missing]"),
    (130, "question file with metadata not JSON", f"{_BAD}::test_a_bad_question_is_named[metadata that is no JSON]"),
    (131, "grade --out in a folder that is a file", f"{_END}::test_grade_says_one_line[an output below a file]"),
    (132, "grade --out unwritable (/proc/x)", f"{_END}::test_grade_says_one_line[an output in a place"),
    (133, "grade --out on a full disk", f"{_RECORDS}::test_a_full_disk_is_one_message_and_loses_nothing[rows]"),
    (134, "Appender on a full disk", f"{_RECORDS}::test_a_full_disk_is_one_message_and_loses_nothing[append]"),
    (135, "endpoint: ok", f"{_KEPT}[length]"),
    (136, "endpoint: echo-text", f"{_ENDPOINT}::test_a_key_that_a_server_echoes_is_nowhere[as it is]"),
    (137, "endpoint: echo-id", f"{_ENDPOINT}::test_a_key_that_a_server_echoes_is_nowhere[in base64]"),
    (138, "endpoint: echo-error", f"{_ENDPOINT}::test_a_key_in_an_error_is_cleaned[400]"),
    (139, "endpoint: echo-401", f"{_ENDPOINT}::test_a_key_in_an_error_is_cleaned[401]"),
    (140, "endpoint: echo-model", f"{_FAILED}[another model]"),
    (141, "endpoint: html", f"{_FAILED}[no JSON]"),
    (142, "endpoint: nested", f"{_FAILED}[nested choices]"),
    (143, "endpoint: bigint", f"{_KEPT}[5000 digits]"),
    (144, "endpoint: usage-str", f"{_KEPT}[a count as text]"),
    (145, "endpoint: usage-list", f"{_KEPT}[usage as a list]"),
    (146, "endpoint: usage-neg", f"{_KEPT}[a negative count]"),
    (147, "endpoint: usage-float", f"{_KEPT}[a count with a fraction]"),
    (148, "endpoint: content-list", f"{_FAILED}[content in parts]"),
    (149, "endpoint: null", f"{_FAILED}[null]"),
    (150, "endpoint: surrogate", f"{_KEPT}[a lone surrogate]"),
    (151, "endpoint: latin1", f"{_FAILED}[Latin-1]"),
    (152, "endpoint: finish-odd", f"{_KEPT}[tool_calls]"),
    (153, "endpoint: finish-null", f"{_KEPT}[no finish reason]"),
    (154, "endpoint: empty", f"{_KEPT}[an empty text]"),
    (155, "endpoint: huge", f"{_ENDPOINT}::test_memory_stays_bounded_whatever_is_poured[plain]"),
    (156, "endpoint: gzipbomb", f"{_ENDPOINT}::test_memory_stays_bounded_whatever_is_poured[packed]"),
    (157, "endpoint: slow", "engines/test_flow.py"),
    (158, "endpoint: bighead", "engines/test_flow.py"),
    (159, "endpoint: cut", f"{_FAILED}[half of it]"),
    (160, "endpoint: retry-after", f"{_ENDPOINT}::test_a_server_that_asks_to_wait_for_years_is_given_up"),
    (161, "endpoint: redirect", f"{_ENDPOINT}::test_a_redirect_to_another_host_is_not_followed_and_named[307]"),
    (162, "endpoint: redirect-loop", f"{_ENDPOINT}::test_a_redirect_within_the_server_is_followed_a_few_times"),
    (163, "endpoint: redirect-file", f"{_ENDPOINT}::test_a_redirect_elsewhere_is_refused_and_tells_no_password[file"),
    (164, "endpoint: nested, keep_going=False (evaluate)", f"{_FAILED}[unbalanced brackets]"),
    (165, "endpoint: usage-str, keep_going=False (evaluate)", f"{_END}::test_every_text_is_a_row"),
    (166, "run untouched", "reporting/run/test_integrity.py::test_the_untouched_run_is_read_and_lacks_nothing"),
    (167, "verdicts file: half the rows, at a line end", f"{_RUN}[half of the verdicts]"),
    (168, "verdicts file: 1 row", f"{_RUN}[one verdict]"),
    (169, "verdicts file: emptied", f"{_RUN}[no verdict]"),
    (170, "verdicts file: cut at 50 % of bytes", f"{_RUN}[verdicts cut in a row]"),
    (171, "verdicts file: 50 rows twice", f"{_RUN}[verdicts that stand twice]"),
    (172, "verdicts edited: every wrong -> right", f"{_RUN}[every wrong one right]"),
    (173, "responses: half the rows, verdicts whole", f"{_RUN}[half of the responses]"),
    (174, "responses: cut mid-row", f"{_RUN}[responses cut in a row]"),
    (175, "responses + verdicts both half", f"{_RUN}[half of both]"),
    (176, "e2 seed folder removed", f"{_PAGE}[a seed]"),
    (177, "run.json removed", f"{_RUN}[no run.json]"),
    (178, "steps.jsonl: half the steps", f"{_RUN}[half of the steps]"),
    (179, "steps.jsonl: cut mid-row", f"{_RUN}[a log cut in a row]"),
    (180, "steps.jsonl: NaN reward", f"{_RUN}[a reward that is no number]"),
    (181, "questions parquet cut at 50 %", f"{_RUN}[questions cut]"),
    (182, "questions parquet removed", f"{_RUN}[questions gone]"),
    (183, "coldset/traces.jsonl cut mid-row", f"{_RUN}[traces cut in a row]"),
    (184, "coldset/traces.jsonl half the rows", f"{_RUN}[half of the traces]"),
    (185, "coldset manifest removed", f"{_RUN}[no manifest of the cold-start set]"),
    (186, "two evaluate processes on one eval ledger", f"{_END}::test_two_processes_on_one_folder"),
    (187, "two processes on one coldset ledger", "coldset/test_bad_server.py::test_a_second_process"),
    (188, "two evaluate processes: one finishes first", f"{_END}::test_two_processes_on_one_folder"),
    (189, "a third process opens while another is mid-row",
     f"{_RECORDS}::test_a_file_that_another_process_appends_to_is_let_be[close]"),
    (190, "kill -9 while appending, 12 times",
     f"{_RECORDS}::test_a_file_that_another_process_appends_to_is_let_be[kill]"),
    (191, "target file is a symlink", f"{_FILES}::test_a_link_under_the_very_name_is_refused"),
    (192, "umask 777 (as root)", f"{_FILES}::test_where_nothing_can_be_written_the_message_names_it"),
    (193, "file name of 255 bytes", f"{_FILES}::test_odd_names_are_written_or_named"),
    (194, "path of 5000 characters", f"{_FILES}::test_too_long_a_name_is_named"),
    (195, "planted symlink at .x.json.partial", f"{_FILES}::test_a_planted_link_is_never_written_through"),
)  # fmt: skip
# Tables whose further cases have rows too.
FURTHER = (
    _BAD,
    _ENDPOINT,
    _OTHERS,
    "engines/test_model_folder.py",
    "reporting/run/test_integrity.py",
    "core/test_locks.py",
)


class Recorder:
    """A plugin of pytest: outcome and last message of each test."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.messages: dict[str, tuple[str, str]] = {}
        self._test = ""

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note which test makes the messages from now on."""
        self._test = nodeid

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep how a test ended."""
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.nodeid] = report.outcome

    def watch(self, kind: type[Exception]) -> None:
        """Keep the message of each exception of a kind, from now on."""
        before, recorder = kind.__init__, self

        def made(self: Exception, *args: Any, **kwargs: Any) -> None:
            before(self, *args, **kwargs)
            if recorder._test:
                recorder.messages[recorder._test] = (str(getattr(self, "status", "")), str(self))

        kind.__init__ = made  # type: ignore[method-assign]


def named_by(message: str) -> str:
    """What a message names, in one word."""
    if re.match(r"image_\w+: ", message):
        return "a word that is counted"
    if re.match(r"\S*[\w\]]+:\d+: ", message):
        return "file and line"
    if re.match(r"(FOLDER|/|\w+/|[\w.-]+\.\w+|https?://)\S*: |[\w.-]+: cannot be ", message):
        return "file"
    return "key or option" if message else ""


def plain(message: str) -> str:
    """A message on one line, without folders and addresses of this run."""
    message = re.sub(r"/\S*?/pytest-\d+/[^/\s:']+/", "", " ".join(message.split()))
    message = re.sub(r"/\S*?/pytest-\d+", "FOLDER", message).replace(f"{REPO}/", "")
    return re.sub(r" at 0x[0-9a-f]+", "", message)[:200]


def rows_of(recorder: Recorder) -> Iterator[dict[str, object]]:
    """The audit's cases, then further ones."""
    shown: set[str] = set()
    starts = [number for number, _, _ in AUDIT] + [196]
    for (number, what, start), after in zip(AUDIT, starts[1:], strict=True):
        tests = [test for test in recorder.outcomes if _below_unit(test).startswith(start)]
        shown.update(tests)
        many = after - number > 1
        for place in range(after - number):
            of = tests[place : place + 1] if many and place < len(tests) else tests
            yield _row(number + place, f"{what}: {place + 1}" if many else what, of, recorder)
    for test in recorder.outcomes:
        if test not in shown and _below_unit(test).startswith(FURTHER):
            yield _row("", test.partition("::")[2], [test], recorder)


def _row(number: object, what: str, tests: list[str], recorder: Recorder) -> dict[str, object]:
    outcomes = {recorder.outcomes[test] for test in tests} or {"no test"}
    status, message = next((recorder.messages[test] for test in tests if test in recorder.messages), ("", ""))
    message = plain(message)
    outcome = "as expected" if outcomes == {"passed"} else "/".join(sorted(outcomes))
    return {
        "audit": number, "case": what, "outcome": outcome, "exit": status, "names": named_by(message),
        "message": message, "test": tests[0] if tests else "",
    }  # fmt: skip


def _below_unit(test: str) -> str:
    return test.removeprefix("tests/unit/") if test.startswith("tests/unit/") else test.replace("tests/", "../", 1)


def main() -> None:
    """Run the tests, write the table, say how many are not as expected."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    files = sorted({start.partition("::")[0] for _, _, start in AUDIT} | set(FURTHER))
    recorder = Recorder()
    for kind in (UserError, BadImage):
        recorder.watch(kind)
    words = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-m", "not verify", "--rootdir", str(REPO)]
    pytest.main([*words, *(str(REPO / "tests" / "unit" / name) for name in files)], plugins=[recorder])
    rows = list(rows_of(recorder))
    write_csv(options.out, ["audit", "case", "outcome", "exit", "names", "message", "test"], rows)
    others = [row for row in rows if row["outcome"] != "as expected"]
    audited = sum(row["audit"] != "" for row in rows)
    print(f"{audited} cases of the audit and {len(rows) - audited} more; not as expected: {len(others)}")
    for row in others:
        print(f"  {row['audit']} {row['case']}: {row['outcome']}")
    sys.exit(bool(others))


if __name__ == "__main__":
    main()

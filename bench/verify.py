"""Everything that is too long for `make test`, in parts that can be resumed.

    python bench/verify.py [--only NAME] [--list] [--data ../shared/data] [--limit MINUTES]

A part that passed is not run again on the same code: its stamp, `results/verify/stamps/<part>.json`, holds a hash of
all tracked files. `results/verify/table.md` has a row for each part: what it shows, outcome, seconds, and what was
skipped with the reason, for a machine may have no ../shared, no Slurm or no GPU. The exit code is 1 where one failed.
"""

import argparse
import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from vr1repro.core.files import write_atomically
from vr1repro.core.provenance import made

REPO = Path(__file__).resolve().parents[1]
OUT = Path("results/verify")
STAMPS = OUT / "stamps"
_PYTEST = "{python} -m pytest -n {workers} --dist worksteal --junitxml {junit}"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of the verification.

    Attributes:
        name: Of the part and its stamp.
        what: What it shows, for the table.
        command: Shell words; {python}, {workers}, {junit}, {data} and {out} are filled in.
        needs_data: Whether it cannot run without the real benchmark data.
    """

    name: str
    what: str
    command: str
    needs_data: bool = False


def _tests(name: str, what: str, words: str) -> Part:
    return Part(name=name, what=what, command=f"{_PYTEST} {words}")


PARTS = (
    Part(
        name="micro",
        what="the experiment at micro scale, problems to report",
        command="{python} -m vr1repro warm {python} -m snakemake --cores {workers} --rerun-incomplete",
    ),
    _tests("tests", "what `make test` runs", "tests"),
    _tests("units", "long tests of rooms beside training", "-m verify tests/unit --ignore tests/unit/training"
           " --ignore tests/unit/rehearsal"),
    _tests("training", "sharded and resumed training, updates against one process", "-m verify tests/unit/training"),
    _tests("rehearsal", "every preset, shrunken, with its own libraries", "-m verify tests/unit/rehearsal"),
    _tests("end-to-end", "vLLM's CPU server, real data, equal bytes on other processors", "-m verify tests/end_to_end"),
    _tests("workflow", "all arms; Ctrl-C, kills and full disks in each stage", "-m verify tests/workflow"),
    _tests("cluster", "a Slurm on this machine", "-m verify tests/cluster"),
    Part(
        name="bad-inputs",
        what="each known bad input ends in one message",
        command="{python} bench/bad_inputs.py --out {out}/bad_inputs.csv",
    ),
    Part(
        name="soak",
        what="20 000 requests, a server that misbehaves, ten kills",
        command="{python} bench/soak.py --out {out}/soak --record {out}",
    ),
    Part(
        name="agreement",
        what="our official profiles against published verdicts",
        command="{python} -m bench.agreement measure --data {data} --out {out}/agreement",
        needs_data=True,
    ),
    Part(
        name="overlap",
        what="precision and recall of the overlap report on real problems",
        command="{python} bench/overlap_curves.py --data {data} --record {out}",
        needs_data=True,
    ),
)  # fmt: skip


@dataclass
class Stamp:
    """What came of a part.

    Attributes:
        outcome: passed, failed, skipped (all of it), or stopped (by the limit).
        code: Hash of the tracked files that it ran on.
        counts: Tests by outcome, where it is tests.
        skipped: Reasons, with how many tests each skipped.
    """

    part: str
    outcome: str
    seconds: float
    code: str
    counts: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)

    def passed_on(self, code: str) -> bool:
        """Whether it passed, and on this code."""
        return self.outcome == "passed" and self.code == code


def code_sha() -> str:
    """Hash of all tracked files as they are here, records of earlier verifications left out."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPO, capture_output=True, check=True).stdout
    digest = hashlib.sha256()
    for name in sorted(filter(None, listed.decode("utf-8").split("\0"))):
        path = REPO / name
        if not name.startswith("results/") and path.is_file():
            digest.update(name.encode("utf-8") + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def run_part(part: Part, code: str, options: argparse.Namespace, seconds_left: float | None, has_micro: bool) -> Stamp:
    """Run one part to its end, its output in a log beside its stamp.

    Args:
        has_micro: Whether the micro run of this code is there, for the tests that need one.
    """
    if part.needs_data and not options.data.is_dir():
        reason = f"no {options.data}: real benchmark data are not in the repository (DATA=FOLDER)"
        return Stamp(part.name, "skipped", 0.0, code, skipped={reason: 1})
    junit, log = STAMPS / f"{part.name}.xml", STAMPS / f"{part.name}.log"
    junit.unlink(missing_ok=True)
    command = [
        word.format(python=sys.executable, workers=options.workers, junit=junit, data=options.data, out=OUT)
        for word in shlex.split(part.command)
    ]
    began = time.monotonic()
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, cwd=REPO, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(REPO), **({"VR1REPRO_MICRO_RUN": str(REPO)} if has_micro else {})},
        )  # fmt: skip
    try:
        code_of_exit = process.wait(timeout=seconds_left)
    except subprocess.TimeoutExpired:
        return Stamp(part.name, "stopped", time.monotonic() - began, code)
    finally:  # the limit, or Ctrl-C: with all that it has started
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    counts, skipped = _read_junit(junit) if junit.exists() else ({}, {})
    outcome = "passed" if code_of_exit == 0 else "failed"
    if outcome == "passed" and counts and not counts.get("passed"):
        outcome = "skipped"
    return Stamp(part.name, outcome, time.monotonic() - began, code, counts, skipped)


def _read_junit(path: Path) -> tuple[dict[str, int], dict[str, int]]:
    counts, skipped = Counter[str](), Counter[str]()
    for case in ElementTree.parse(path).getroot().iter("testcase"):  # noqa: S314 - pytest wrote it just now
        if (found := case.find("skipped")) is not None:
            counts["skipped"] += 1
            skipped[re.sub(r"\s+", " ", found.get("message") or "no reason")[:200]] += 1
        else:
            counts["failed" if any(case.find(kind) is not None for kind in ("failure", "error")) else "passed"] += 1
    return dict(counts), dict(skipped)


def table(stamps: dict[str, Stamp], code: str) -> str:
    """A row for each part, in Markdown."""
    lines = ["| part | what | outcome | seconds | tests | skipped, and why |", "|---|---|---|---|---|---|"]
    for part in PARTS:
        stamp = stamps.get(part.name)
        if stamp is None:
            lines.append(f"| {part.name} | {part.what} | not run | | | |")
            continue
        tests = ", ".join(f"{count} {name}" for name, count in sorted(stamp.counts.items()))
        reasons = "; ".join(f"{count}: {reason}" for reason, count in stamp.skipped.items()).replace("|", "/")
        outcome = stamp.outcome + ("" if stamp.code == code else " on other code")
        lines.append(f"| {part.name} | {part.what} | {outcome} | {stamp.seconds:.0f} | {tests} | {reasons} |")
    total = sum(stamp.seconds for stamp in stamps.values())
    lines += ["", f"{total / 60:.0f} minutes in all, {os.cpu_count()} cores."]
    return "\n".join(lines) + "\n"


def stamps_of(folder: Path) -> dict[str, Stamp]:
    """The stamps that are there, by part."""
    names = {part.name for part in PARTS}
    files = [path for path in sorted(folder.glob("*.json")) if path.stem in names]
    stamps = (json.loads(path.read_text(encoding="utf-8"))["stamp"] for path in files)
    return {stamp["part"]: Stamp(**stamp) for stamp in stamps if stamp}


def main() -> None:
    """Run what has not passed yet, and write the table after each part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=[part.name for part in PARTS], help="Repeatable.")
    parser.add_argument("--list", action="store_true", help="Print the table and run nothing.")
    parser.add_argument("--again", action="store_true", help="Run what has passed on this code, too.")
    parser.add_argument("--data", type=Path, default=REPO.parent / "shared" / "data")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=float, help="Stop after so many minutes; the next start goes on.")
    options = parser.parse_args()
    os.chdir(REPO)
    STAMPS.mkdir(parents=True, exist_ok=True)
    code, began, stamps = code_sha(), time.monotonic(), stamps_of(STAMPS)
    for part in PARTS if not options.list else ():
        before = stamps.get(part.name)
        if options.only and part.name not in options.only:
            continue
        if before and before.passed_on(code) and not options.again:
            print(f"{part.name}: passed before on this code, {before.seconds:.0f} s")
            continue
        left = None if options.limit is None else 60 * options.limit - (time.monotonic() - began)
        if left is not None and left <= 0:
            print("the limit is reached; start again to go on")
            break
        print(f"{part.name}: {part.what} ...", flush=True)
        micro = stamps.get("micro")
        has_micro = micro is not None and micro.passed_on(code)
        stamp = stamps[part.name] = run_part(part, code, options, left, has_micro)
        record = {"stamp": asdict(stamp), "made": made()}
        write_atomically(STAMPS / f"{part.name}.json", json.dumps(record, indent=1, sort_keys=True) + "\n")
        log = f"; {STAMPS / part.name}.log" if stamp.seconds else ""
        print(f"{part.name}: {stamp.outcome}, {stamp.seconds:.0f} s{log}")
        write_atomically(OUT / "table.md", table(stamps, code))
    print(table(stamps, code), end="")
    sys.exit(any(stamp.outcome in ("failed", "stopped") for stamp in stamps.values()))


if __name__ == "__main__":
    main()

"""The released cold-start set (Osilly/Vision-R1-cold) in our form, for a run that starts at SFT.

Its two files have schemas that clash (rows `{id, image, conversations}` with roles human and gpt, rows `{images,
conversations}` with roles user and assistant), and its images are not in it: they come from Xkev/LLaVA-CoT-100k and
HuanjinYao/Mulberry-SFT (README of Osilly/Vision-R1@c061681).
"""

from pathlib import Path
from typing import Any

from vr1repro.answers.completion import ANSWER_OPEN, THINK_CLOSE, answer_only
from vr1repro.config.models import HubData, LocalData
from vr1repro.config.problems import ProblemSource
from vr1repro.core.errors import UserError
from vr1repro.core.problem_files import write_problems
from vr1repro.core.records import Problem
from vr1repro.problems.fetch import data_folder
from vr1repro.problems.load import Skips, load_problems

# What reads its files: ours, and those of the two sources.
ADAPTERS = ("problems", "llava-cot", "mulberry")


def take(source: HubData | LocalData, out: Path) -> dict[str, Any]:
    """Read the released set and write it as coldset.parquet.

    Args:
        source: The hub's repository, or a local folder with its JSON files and, beside them, the images that the rows
            name, as a user must arrange them for training anyway.
        out: Folder to write coldset.parquet and skipped.jsonl into.

    Returns:
        Counts for the manifest, and the commit where it came from the hub.

    Raises:
        UserError: The source cannot be read, or no row is usable.
    """
    folder, commit = data_folder(source)
    if (folder / "coldset.parquet").is_file():
        problems = load_problems(ProblemSource(kind="path", path=str(folder / "coldset.parquet"), adapter="problems"))
        return {"kept": write_problems(out / "coldset.parquet", problems), "commit": commit}
    skips = Skips()
    kept: list[Problem] = []
    for path in sorted(folder.glob("*.json*")):
        adapter = "llava-cot" if "llava" in path.name.lower() else "mulberry"
        for problem in load_problems(ProblemSource(kind="path", path=str(path), adapter=adapter), skips):
            text = str(problem.metadata.get("reply", ""))
            if THINK_CLOSE not in text or ANSWER_OPEN not in text:
                skips.add(len(kept), problem.id, "not_a_completion", text[:80])
                continue
            texts = {"completion": text, "answer_only": answer_only(problem.answer)}
            kept.append(problem.model_copy(update={"metadata": {**problem.metadata, **texts}}))
    skips.write(out / "skipped.jsonl")
    if not kept:
        raise UserError(f"{folder}: no usable row ({skips.counts() or 'no JSON files'}); see {out / 'skipped.jsonl'}")
    write_problems(out / "coldset.parquet", kept)
    return {"kept": len(kept), "skipped": skips.counts(), "commit": commit}

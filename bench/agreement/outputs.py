"""`python -m bench.agreement fetch`: public model outputs with official verdicts, from their own repositories.

Each file is taken at a commit, which fixes its content. Their SHA-256 are not stated by the repositories, and none is
made up here: the hash of what came is written to `manifest.json`, a later fetch compares with it, and the number of
rows, which is known, is checked at once. R1-V's logs and the graders' test cases are not among them: their full
commits are not known to us.
"""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.core.jsonl import read_lines
from vr1repro.core.provenance import file_sha
from vr1repro.core.records import dump_line

SITE = "https://raw.githubusercontent.com"
MANIFEST = "official-outputs.json"
_BLOCK = 1 << 16
_TIMEOUT_S = 60

_VISTA, _VISION = "lupantech/MathVista", "mathllm/MATH-V"
_FIRST, _SECOND = "f036866d1e4de05a8311e0e9216010555da39ea9", "ed0d56de2146e75ec9d389ffce6e8af05431e846"
_QUESTIONS = "a2206f4a5ef7d51bec97c05d7e93adf3106ff0e0"
_MATH_V = "1d361180b02cbff417c77c02acf1b4cacf2d55ea"

_VISTA_OUTPUTS = {
    "bard/output_bard": _FIRST,
    "chatgpt/output_chatgpt": _FIRST,
    "chatgpt/output_chatgpt_2shot_code": _FIRST,
    "chatgpt/output_chatgpt_2shot_code_use_ocr": _FIRST,
    "chatgpt/output_chatgpt_2shot_solution": _FIRST,
    "chatgpt/output_chatgpt_2shot_solution_use_ocr": _SECOND,
    "claude/output_claude": _FIRST,
    "claude/output_claude_2shot_solution": _SECOND,
    "claude/output_claude_2shot_solution_use_ocr": _FIRST,
    "gpt4/output_gpt4": _FIRST,
    "gpt4/output_gpt4_2shot_code": _SECOND,
    "gpt4/output_gpt4_2shot_code_use_ocr": _FIRST,
    "gpt4/output_gpt4_2shot_solution": _SECOND,
    "gpt4/output_gpt4_2shot_solution_use_ocr": _SECOND,
    "idefics/output_idefics_9b_instruct": _FIRST,
    "instruct_blip2/output_instruct_blip2_vicuna_13b": _SECOND,
    "llama_adapter_v2/output_llama_adapter_v2": _SECOND,
    "llava/output_llava_llama_2_13b": _SECOND,
    "llavar/output_llavar": _SECOND,
    "minigpt4/output_minigpt4_llama2": _SECOND,
    "mplugowl/output_mplugowl_7b_ft": _SECOND,
    "random/output_frequent_guess": _FIRST,
    "random/output_random_guess": _SECOND,
}
_VISION_OUTPUTS = (
    "Random-Chance",
    "closed-source/GPT/ChatGPT3.5-CoT (Text+Image Caption)",
    "closed-source/GPT/GPT4-CoT (Text Only)",
    "closed-source/Gemini/Gemini-Pro-CoT",
    "closed-source/Gemini/Gemini-Pro",
    "closed-source/Qwen/Qwen-VL-Max-CoT",
    "closed-source/Qwen/Qwen-VL-Max",
    "closed-source/Qwen/Qwen-VL-Plus",
    "open-source/Internlm/InternLM-XComposer2-VL-CoT",
    "open-source/Internlm/InternLM-XComposer2-VL",
    "open-source/LLavA/LLaVA-v1.5-13B",
    "open-source/LLavA/LLaVA-v1.5-7B",
    "open-source/ShereGPT4V/ShareGPT4V-13B",
    "open-source/ShereGPT4V/ShareGPT4V-7B",
    "open-source/Sphinx/SPHINX-MoE",
    "open-source/Sphinx/SPHINX-v2",
)


@dataclass(frozen=True)
class Source:
    """One public file.

    Attributes:
        repository: owner/name on GitHub.
        commit: All 40 digits.
        path: The file there.
        target: The JSONL it becomes, below the data folder.
        rows: How many rows it has.
    """

    repository: str
    commit: str
    path: str
    target: str
    rows: int

    def url(self, site: str = SITE) -> str:
        """Where it is."""
        return f"{site}/{self.repository}/{self.commit}/{urllib.parse.quote(self.path)}"


def sources() -> Iterator[Source]:
    """All files, questions first."""
    yield Source(_VISTA, _QUESTIONS, "data/testmini.json", "mathvista/testmini.jsonl", 1000)
    yield Source(_VISION, _MATH_V, "data/test.jsonl", "mathvision/questions.jsonl", 3040)
    for path, commit in _VISTA_OUTPUTS.items():
        name = path.split("/output_")[1]
        yield Source(_VISTA, commit, f"results/{path}.json", f"mathvista/outputs/{name}.jsonl", 1000)
    for path in _VISION_OUTPUTS:
        name = path.rsplit("/", 1)[-1]
        yield Source(_VISION, _MATH_V, f"outputs/{path}.jsonl", f"mathvision/outputs/{name}.jsonl", 3040)


def fetch(out: Path, wanted: list[Source], site: str = SITE) -> Iterator[str]:
    """Download files and write them in the layout that `measure` reads. Running again goes on where it stopped.

    Args:
        out: Folder; raw files stay in `raw/`.
        wanted: Which files.
        site: Another site with the same paths, for a mirror.

    Yields:
        A line of text a file.

    Raises:
        UserError: A file cannot be had, is not what it should be, or differs from what came before.
    """
    known: dict[str, str] = {}
    if (out / MANIFEST).exists():
        known = {row["url"]: row["sha256"] for row in json.loads((out / MANIFEST).read_text(encoding="utf-8"))}
    shas = dict(known)
    for source in wanted:
        raw = out / "raw" / source.repository / source.commit / source.path
        if not raw.exists():
            _download(source.url(site), raw)
        sha = file_sha(raw)
        if known.get(source.url(), sha) != sha:
            raw.unlink()
            raise UserError(f"{source.url(site)}: is not the file that came before (SHA-256 {sha}); fetch again")
        rows = list(_rows(source, raw))
        if len(rows) != source.rows:
            raw.unlink()
            raise UserError(f"{source.url(site)}: has {len(rows)} rows, not {source.rows}; fetch again")
        write_atomically(out / source.target, "".join(dump_line(row) + "\n" for row in rows))
        shas[source.url()] = sha
        listed = [{"url": url, "sha256": value} for url, value in shas.items()]
        write_atomically(out / MANIFEST, json.dumps(listed, indent=1) + "\n")
        yield f"{source.target}  {len(rows)} rows  sha256 {sha}"


def _rows(source: Source, raw: Path) -> Iterator[dict[str, Any]]:
    if raw.suffix == ".jsonl":
        yield from (row for _, row in read_lines(raw))
        return
    try:
        values = json.loads(raw.read_text(encoding="utf-8"))
        items = list(values.items())
    except (ValueError, AttributeError) as error:
        raw.unlink()
        raise UserError(f"{source.path}: is no JSON object of rows: {error}") from None
    for key, row in items:
        row = {"pid": key, **row}
        if "true_false" in row:
            # What was graded is a program's output where the response is a program.
            reply = row["execution"] if "execution" in row else row.get("response", "")
            row |= {"response": reply, "shipped_true_false": row["true_false"]}
            row["shipped_prediction"] = row.get("prediction")
        yield row


def _download(url: str, out: Path) -> None:
    """Get a file, going on behind what is there already of it."""
    aside = out.with_name(f".{out.name}.partial")
    out.parent.mkdir(parents=True, exist_ok=True)
    have = aside.stat().st_size if aside.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as reply:  # noqa: S310 - the site is ours or the user's
            # A server that ignores the range sends the whole file again.
            with aside.open("ab" if reply.status == http.client.PARTIAL_CONTENT else "wb") as stream:
                while block := reply.read(_BLOCK):
                    stream.write(block)
            length = reply.headers.get("Content-Length")
            start = have if reply.status == http.client.PARTIAL_CONTENT else 0
            if length is not None and aside.stat().st_size != start + int(length):
                raise UserError(f"{url}: broke off; run again, it goes on from there")
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise UserError(f"{url}: the server says {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise UserError(f"{url}: cannot be fetched: {error}; run again, it goes on from there") from None
    aside.replace(out)

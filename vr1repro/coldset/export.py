"""The cold-start set as others read it: one Parquet file for the hub, TRL and LLaMA-Factory, with their cards.

- `coldset.parquet`: images in the hub's own form, `messages` for TRL, `instruction` and `output` for LLaMA-Factory.
- `README.md`: the hub's dataset card, with `dataset_info`.
- `dataset_info.json`: what LLaMA-Factory wants beside a data set, to be named as its `dataset_dir`.
"""

import json
from pathlib import Path
from typing import Any

from vr1repro.coldset.words import RULES
from vr1repro.config.coldset import ColdsetSettings, ModelEngine
from vr1repro.core.files import write_atomically
from vr1repro.core.problem_files import HUB_FEATURES, problem_schema

COLDSET = "coldset.parquet"
_TEXT: dict[str, Any] = {"dtype": "string", "_type": "Value"}
_FEATURES: dict[str, dict[str, Any]] = {
    **HUB_FEATURES,
    "messages": {"feature": {"role": _TEXT, "content": _TEXT}, "_type": "List"},
    "instruction": _TEXT,
    "output": _TEXT,
}
# Licences as their hosts state them; what was not seen there is said so.
_NOTES = """\
- Vision-R1-cold as its authors released it (Osilly/Vision-R1-cold): cc-by-nc-sa-4.0 on the hub. This set is another
  one, built again.
- Questions and images are those of the sources below, under their own licences and those of the sets that they were
  made from (the paper lists some thirty). They are not stated here: look at each source before you pass this on.
- Captions, descriptions and chains are outputs of the models below, whose terms may limit what they may be used for."""


def schema() -> Any:
    """The Arrow schema of coldset.parquet, with the hub's features in its metadata."""
    import pyarrow as pa

    turn = pa.struct([("role", pa.string()), ("content", pa.string())])
    fields = [*problem_schema(), pa.field("messages", pa.list_(turn))]
    fields += [pa.field("instruction", pa.string()), pa.field("output", pa.string())]
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})})


def write_cards(out: Path, report: dict[str, Any], settings: ColdsetSettings) -> None:
    """Write README.md and dataset_info.json beside coldset.parquet."""
    write_atomically(out / "README.md", card(report, settings, (out / COLDSET).stat().st_size))
    write_atomically(out / "dataset_info.json", json.dumps(llama_factory(), indent=2) + "\n")


def llama_factory() -> dict[str, Any]:
    """LLaMA-Factory's entry: its `alpaca` form, pictures as bytes in the Parquet file itself."""
    columns = {"prompt": "instruction", "response": "output", "images": "image"}
    return {"vision_r1_cold": {"file_name": COLDSET, "formatting": "alpaca", "columns": columns}}


def card(report: dict[str, Any], settings: ColdsetSettings, size: int) -> str:
    """The hub's dataset card."""
    import yaml

    features = [_feature(name, kind) for name, kind in _FEATURES.items()]
    split = {"name": "train", "num_examples": report["kept"]}
    head = {
        "license": "other",
        "license_name": "see-below",
        "task_categories": ["visual-question-answering", "image-text-to-text"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": COLDSET}]}],
        "dataset_info": {"features": features, "splits": [split], "download_size": size},
    }
    share = 100 * report["kept"] / report["problems"]
    lines = [
        "---", yaml.safe_dump(head, sort_keys=False).strip(), "---", "",
        "# A cold-start set built by Modality Bridging", "",
        "Built by vr1repro after section 3.3.1 of Vision-R1 (arXiv 2503.06749): Pseudo-CoT, description, text-only",
        f"chain, filter, polish. {report['kept']} of {report['problems']} problems were kept ({share:.1f} %);"
        f" {report['mean_words']} words a chain. The paper publishes no yield.", "",
        f"- MLLM: {_engine(settings.mllm)}", f"- Reasoner: {_engine(settings.reasoner)}",
        f"- Gold answer in the reasoner's prompt: {'yes' if settings.answer_in_reasoner_prompt else 'no'}"
        " (the paper's Figure 2: no; its author in issue #17: yes)", "",
        "| source | problems | kept |", "|---|---:|---:|",
        *(f"| {name} | {of['problems']} | {of['kept']} |" for name, of in report["sources"].items()), "",
        "| rejected by | traces | left |", "|---|---:|---:|",
        *(f"| {name} | {n} | {report['left_after'][name]} |" for name, n in report["rejected"].items() if n), "",
        f"| word | {' | '.join(rule.replace('_', ' ') for rule in RULES)} | paper (200K) |",
        f"|---|{'---:|' * (len(RULES) + 1)}",
        *(_words_line(row) for row in report["words"]), "",
        "How the paper counted is not stated.", "",
        "## Licences", "", _NOTES, "",
    ]  # fmt: skip
    return "\n".join(lines)


def _words_line(row: dict[str, Any]) -> str:
    published = "not stated" if row["published"] is None else f"{row['published']:,.0f}"
    return f"| {row['word']} | " + " | ".join(str(row[rule]) for rule in RULES) + f" | {published} |"


def _engine(engine: Any) -> str:
    if not isinstance(engine, ModelEngine):
        return "the lab's scripted reasoner"
    name = getattr(engine.sampler, "model", None) or engine.model
    return f"{name} (temperature {engine.temperature:g}, top_p {engine.top_p:g}, at most {engine.max_tokens} tokens)"


def _feature(name: str, kind: dict[str, Any]) -> dict[str, Any]:
    if kind["_type"] == "Image":
        return {"name": name, "dtype": "image"}
    if kind["_type"] == "List":
        inner = kind["feature"]
        if "_type" in inner:
            return {"name": name, "list": inner["dtype"]}
        return {"name": name, "list": [_feature(key, value) for key, value in inner.items()]}
    return {"name": name, "dtype": kind["dtype"]}

"""The cold-start set's card in the hub's schema: the one that its job wrote, with what it was made from."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vr1repro.cards import card
from vr1repro.cards.artefacts import Artefact, Origin, hub_ids
from vr1repro.cards.markdown import escaped_inside
from vr1repro.coldset import export
from vr1repro.coldset.words import RULES
from vr1repro.config.coldset import ColdsetSettings
from vr1repro.core.errors import UserError
from vr1repro.core.outside import json_object
from vr1repro.core.provenance import MANIFEST

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def dataset_card(artefact: Artefact, folder: Path, origin: Origin, license_id: str | None) -> str:
    """The card of a cold-start set.

    Args:
        artefact: The set.
        folder: Where it lies.
        origin: Its run.
        license_id: The hub's name of a licence that the user states; None: see the card.

    Raises:
        UserError: It was taken as released, or an older version made it.
    """
    from huggingface_hub import DatasetCard

    if "sources" not in artefact.part("settings") or not (folder / "yield.json").is_file():
        raise UserError(
            f"{folder}: was not built here (no yield.json, or no `sources` in {MANIFEST}); a released set has a card"
        )
    report = _report(folder / "yield.json")
    parquet = folder / export.COLDSET
    size = parquet.stat().st_size if parquet.is_file() else 0
    written = DatasetCard(export.card(report, _settings(artefact, folder), size))
    parents = [one.artefact for one in origin.ancestors(artefact) if one.artefact is not None]
    data = written.data
    if not size:
        data["dataset_info"].pop("download_size")
    data["pretty_name"] = "Cold-start set by Modality Bridging"
    data["size_categories"] = [next((name for limit, name in _SIZES if report["kept"] < limit), "n>1M")]
    data["source_datasets"] = hub_ids([one for one in parents if one.kind == "problems"]) or None
    data["tags"] = card.TAGS
    if license_id is not None:
        data["license"], data["license_name"] = license_id, None
    lines = ["---", data.to_yaml(), "---", "", written.text.strip(), ""]
    lines += [*card.made_from(artefact, origin), *card.settings(artefact)]
    return "\n".join([*lines, *card.deviations(artefact, origin), *card.make_again(artefact, origin)])


def _report(path: Path) -> dict[str, Any]:
    """What became of the problems, its texts escaped. Words that an older version counted otherwise are left out.

    Raises:
        UserError: Something else is missing in it.
    """
    report = _escaped(json_object(path))
    for key in ("problems", "kept", "sources", "rejected", "left_after", "mean_words", "words"):
        if key not in report:
            raise UserError(f"{path}: has no `{key}`; the set is damaged, or another version made it")
    report["words"] = [row for row in report["words"] if set(RULES) <= row.keys()]
    return report


def _escaped(report: dict[str, Any]) -> dict[str, Any]:
    value = escaped_inside(report)
    assert isinstance(value, dict)  # noqa: S101 - it was one
    return value


def _settings(artefact: Artefact, folder: Path) -> ColdsetSettings:
    """The set's settings, of which the manifest leaves out the number of shards."""
    try:
        return ColdsetSettings.model_validate({**_escaped(dict(artefact.part("settings"))), "shards": 1})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{folder / MANIFEST}: settings.{key}: {first['msg']}; another version made the set, use its own"
        ) from None

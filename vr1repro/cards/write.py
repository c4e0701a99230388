"""`vr1repro card`: which card an artefact gets, and where it may be written."""

import re
from pathlib import Path

from vr1repro.cards import scores
from vr1repro.cards.artefacts import opened
from vr1repro.cards.dataset import dataset_card
from vr1repro.cards.model import model_card
from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.core.provenance import MANIFEST, read_manifest

_MODELS = ("model", "sft-model", "rl-model")


def card_of(artefact: Path, run: Path | None, license_id: str | None) -> str:
    """The card of a checkpoint or of a cold-start set.

    Args:
        artefact: Its folder, or its path below a kept run.
        run: Its run, a kept run, or what `vr1repro evaluate` wrote; None: the run that it lies in.
        license_id: A licence that the user states.

    Raises:
        UserError: It is neither, or its files or its run's cannot be read.
    """
    if license_id is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", license_id):
        raise UserError(f"--license {license_id}: must be a name as the hub has them, for example cc-by-nc-sa-4.0")
    evaluation = run if run is not None and not scores.is_run(run) else None
    with opened(artefact, None if evaluation else run) as (one, folder, origin):
        if one.kind == "coldset":
            return dataset_card(one, folder, origin, license_id)
        if one.kind not in _MODELS:
            raise UserError(
                f"{artefact}: is a folder of kind {one.kind}; name a checkpoint (for example its step<N> or"
                " sft/final) or the cold-start set"
            )
        of_it = scores.of_evaluation(one, evaluation) if evaluation else scores.of_run(one, origin)
        return model_card(one, folder, origin, of_it, license_id)


def write_card(text: str, out: Path) -> None:
    """Write a card, but over no file that a manifest closes.

    Raises:
        UserError: The folder's manifest closes a file of that name.
    """
    if (out.parent / MANIFEST).is_file() and out.name in read_manifest(out.parent).get("content", {}).get("files", {}):
        raise UserError(
            f"{out}: its folder's {MANIFEST} closes this file; write the card elsewhere and upload it with it"
        )
    write_atomically(out, text + "\n")

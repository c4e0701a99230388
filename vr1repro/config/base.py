"""What every section of the config is built from."""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

# Names become folders and Snakemake wildcards. No underscore: it separates the parts of an evaluated model's slug.
NAME = r"[a-z0-9]+(?:[.-][a-z0-9]+)*"
Name = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]

NOT_STATED = re.compile(r"\bnot stated\b", re.IGNORECASE)


class Section(BaseModel):
    """A part of the config. A key that it does not know is refused, so that a typing error cannot pass for a default.

    Every field's description says what it does and where its value comes from: it quotes the paper (v1 = the first
    arXiv version, v4 = the ICLR version, repo = Osilly/Vision-R1@c061681), or it says "not stated".
    `config/README.md` and `docs/DEVIATIONS.md` are generated from these descriptions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

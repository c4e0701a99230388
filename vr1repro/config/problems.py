"""Where problems come from when they are not generated."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from vr1repro.config.base import Section
from vr1repro.core import benchmark_folders
from vr1repro.core.adapter_names import AUTO, adapter_names


class ProblemSource(Section):
    """A data set on the hub, or a local file or folder in a format that the hub's data sets have."""

    kind: Literal["hub", "path"] = Field(description="hub: a data set repository; path: a local file or folder.")
    id: str | None = Field(default=None, description="hub: the repository, for example AI4Math/MathVista.")
    revision: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{40}$",
        description="hub: commit, 40 hex digits; null: the newest at the run's first fetch; that commit is kept in"
        " results/<run>/revisions.json and taken from then on. The revisions that the paper used: not stated.",
    )
    path: str | None = Field(
        default=None,
        description="path: a Parquet, JSONL or JSON file, or a folder of such files with the images beside them. hub:"
        " a JSONL or JSON file inside the repository, for data sets whose questions `load_dataset` does not list"
        " (MM-Math: MM_Math.jsonl).",
    )
    images: str | None = Field(
        default=None,
        description="Folder or zip file that image paths in the rows are relative to, itself relative to the data"
        " (MM-Math: Image.zip). null: the data's own folder.",
    )
    name: str | None = Field(default=None, description="hub: the data set's configuration (MathVerse: testmini).")
    split: str | None = Field(
        default=None, description="Split. null: the only one there is. The splits that the paper used: not stated."
    )
    adapter: str = Field(
        default=AUTO,
        description="How rows become problems: the name of a file in `vr1repro/problems/adapters` (`llava_cot.py` is"
        " llava-cot), or a benchmark's slug. auto: by their columns.",
    )
    source: str | None = Field(default=None, description="Name that the problems carry; null: the adapter's.")
    limit: int | None = Field(default=None, gt=0, description="Use only the first rows.")
    max_pixels: int = Field(
        default=64_000_000,
        gt=0,
        description="Images with more pixels are left out and counted: a guard against decompression bombs, not a"
        " resize. Not stated; MM-Math's widest image is 8920 pixels wide.",
    )
    text_only: bool = Field(
        default=False, description="Keep rows without an image (MathVerse text-only); else they are left out."
    )

    @field_validator("adapter")
    @classmethod
    def _is_known(cls, adapter: str) -> str:
        if adapter not in (known := (AUTO, *adapter_names(), *benchmark_folders.slugs())):
            raise ValueError(f"{adapter!r} is not known; take one of {', '.join(known)}")
        return adapter

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if self.kind == "hub" and not self.id:
            raise ValueError("id: a source of kind hub needs the repository's id")
        if self.kind == "path" and not self.path:
            raise ValueError("path: a source of kind path needs a file or folder")
        if self.kind == "path" and (self.id or self.revision or self.name):
            raise ValueError("id, revision, name: belong to kind hub, this source is of kind path")
        return self


class OverlapSettings(Section):
    """When a training problem counts as one of a benchmark.

    The paper reports no such check, though a benchmark is among the sources of its RL data.
    """

    text: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Least share of a question's weighted word 3-grams, times the agreement of numbers. Not stated; of"
        " real questions with other numbers the most alike reached 0.40 (bench/overlap_curves.py).",
    )
    image: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Least agreement of perceptual hashes, 0 for unrelated pictures. Not stated; two real drawings of"
        " grids reached 0.75 (bench/overlap_curves.py).",
    )
    both: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Least mean of the two. Not stated; what is no copy reached 0.38 (bench/overlap_curves.py).",
    )
    drop: bool = Field(
        default=False,
        description="Leave overlapping problems out of the cold-start set, not just list them. Not stated.",
    )

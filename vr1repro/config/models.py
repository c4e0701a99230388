"""Where model weights come from: the hub, a local folder, or the lab that pretrains a tiny one."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from vr1repro.config.base import Section


class HubModel(Section):
    """A model on the Hugging Face hub. Only safetensors are loaded, never code from the hub."""

    kind: Literal["hub"]
    id: str = Field(description="Repository on the hub, for example Qwen/Qwen2.5-VL-7B-Instruct.")
    revision: str | None = Field(
        description="Commit of the repository, 40 hex digits. null: the newest at the run's first fetch; that commit is"
        " kept in results/<run>/revisions.json and taken from then on. The revisions that the paper used: not stated."
    )
    context: int = Field(gt=0, description="Longest prompt and completion together, in tokens (model card).")

    @field_validator("revision")
    @classmethod
    def _revision_is_a_commit(cls, value: str | None) -> str | None:
        if value is not None and (len(value) != 40 or set(value) - set("0123456789abcdef")):
            raise ValueError("must be a commit of 40 hex digits, or null; a branch or tag can move")
        return value


class LocalModel(Section):
    """A checkpoint folder as `save_pretrained` writes it."""

    kind: Literal["path"]
    path: str = Field(description="Folder with config.json, safetensors and the processor's files.")
    context: int = Field(gt=0, description="Longest prompt and completion together, in tokens.")


class LabModelSource(Section):
    """The tiny Qwen2.5-VL that the workflow pretrains itself; its shape and its training are in `lab`."""

    kind: Literal["lab"]
    context: int = Field(gt=0, description="Longest prompt and completion together, in tokens.")


ModelSource = Annotated[HubModel | LocalModel | LabModelSource, Field(discriminator="kind")]


class HubData(Section):
    """A data set on the Hugging Face hub."""

    kind: Literal["hub"]
    id: str = Field(description="Repository on the hub, for example Osilly/Vision-R1-cold.")
    revision: str | None = Field(
        description="Commit, 40 hex digits; null: the newest at the run's first fetch, see a model's. Not stated."
    )


class LocalData(Section):
    """A folder or file in the hub data set's own format."""

    kind: Literal["path"]
    path: str = Field(description="Folder or file.")


DataSource = Annotated[HubData | LocalData, Field(discriminator="kind")]

"""Load a model to train, and save it so that a reader finds all of it or none."""

import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, Trainer
from transformers.modeling_utils import PreTrainedModel
from transformers.processing_utils import ProcessorMixin

from vr1repro.config.training import WITHOUT_EFFECT, Launch, RlSettings, SftSettings
from vr1repro.core.errors import UserError
from vr1repro.core.files import remove
from vr1repro.core.provenance import content_sha, write_manifest
from vr1repro.core.upstream import require
from vr1repro.training.buffers import keep_fp32_buffers
from vr1repro.training.resume import writing


def set_up_process(threads: int) -> None:
    """Fix what results depend on beside the seed: the number of CPU threads, and on a CPU deterministic kernels.

    Not on a GPU: there the switch slows attention's backward and the sampling engine down, while cuBLAS and
    memory-efficient attention stay as they were, so equal runs would still differ.

    With deterministic kernels torch also fills every new tensor with NaN, to show reads of what nobody wrote. TRL's
    loss makes a buffer of 8192 columns a call, whatever the vocabulary: filling it took 40 % of SFT at micro scale.
    """
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(not torch.cuda.is_available(), warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False


def load(folder: Path, launch: Launch) -> tuple[PreTrainedModel, ProcessorMixin]:
    """Load model and processor for training.

    The processor's tokenizer pads on the left. TRL pads prompts on the left itself but takes the image mask from the
    processor's own side; where the two differ, M-RoPE positions are silently wrong.

    Raises:
        UserError: The folder is not a finished checkpoint.
    """
    content_sha(folder)
    require("deepspeed")
    # ZeRO keeps an fp32 copy of bf16 weights, FSDP2 makes one of what it is given. Without either, an update of 1e-6 is
    # lost in bf16's rounding: the weights are fp32 and autocast computes in bf16.
    sharded = launch.zero_stage > 0 or launch.fsdp
    dtype = torch.bfloat16 if launch.precision == "bf16" and sharded else torch.float32
    try:
        model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, use_safetensors=True)
        processor = AutoProcessor.from_pretrained(folder, padding_side="left")
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: does not load as an image-text model: {error}") from None
    processor.tokenizer.padding_side = "left"
    if launch.zero_stage == 3 and not all(hasattr(parameter, "ds_id") for parameter in model.parameters()):
        raise RuntimeError("ZeRO-3: the model was loaded before the trainer's arguments, so whole in every process")
    return keep_fp32_buffers(model), processor


def config_of(folder: Path) -> Any:
    """A checkpoint's configuration, without its weights.

    Raises:
        UserError: The folder is not a finished checkpoint.
    """
    content_sha(folder)
    try:
        return AutoConfig.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: its config.json cannot be read: {error}") from None


def freeze_vision(model: PreTrainedModel) -> int:
    """Freeze vision tower and projector (in Qwen2.5-VL the merger is part of the tower). Returns the parameters frozen.

    Raises:
        UserError: The model has no part of a name that is known to be its vision tower.
    """
    names = ("visual", "vision_tower", "vision_model", "multi_modal_projector")
    frozen = [
        parameter for name, parameter in model.named_parameters() if any(part in names for part in name.split("."))
    ]
    if not frozen:
        raise UserError(f"freeze_vision: {type(model).__name__} has no vision part named {', '.join(names)}")
    for parameter in frozen:
        parameter.requires_grad_(False)
    return sum(parameter.numel() for parameter in frozen)


def save(
    trainer: Trainer, processor: ProcessorMixin, folder: Path, settings: dict[str, Any], inputs: dict[str, str]
) -> None:
    """Save the trainer's weights and the processor, aside first, closed by a manifest, then renamed.

    Every process must call it: a sharded model is gathered on the way.
    """
    aside = folder.with_name(f".{folder.name}.partial")
    if trainer.is_world_process_zero():
        remove(aside)  # also a link that somebody put there
        aside.mkdir(parents=True)
    trainer.accelerator.wait_for_everyone()
    model = trainer.accelerator.unwrap_model(trainer.model)
    model.config._name_or_path = ""  # else the folder it came from is written, and equal runs differ
    with writing(aside):
        trainer.save_model(str(aside))
        if trainer.is_world_process_zero():
            (aside / "training_args.bin").unlink(missing_ok=True)  # a pickle with local paths
            processor.save_pretrained(aside)
            write_manifest(aside, "model", settings, inputs)
            shutil.rmtree(folder, ignore_errors=True)
            aside.replace(folder)
    trainer.accelerator.wait_for_everyone()


def values_of(settings: SftSettings | RlSettings) -> dict[str, Any]:
    """A stage's settings without those that no result depends on."""
    return settings.model_dump(mode="json", exclude=WITHOUT_EFFECT)

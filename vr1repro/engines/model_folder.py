"""What a model folder may hold before an engine loads it: tensors and configuration, no pickle."""

from pathlib import Path

from vr1repro.core.errors import UserError
from vr1repro.core.outside import explained_reading, json_cell, json_object

# Names under which weights and other objects are pickled; loading one runs whatever code it holds.
_PICKLES = {".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"}
# How a pickle of protocol 2 or later begins, and torch's zip of one.
_MARKS = (*(bytes([0x80, protocol]) for protocol in range(2, 6)), b"PK\x03\x04")
# Longest header of a safetensors file that its library takes.
_LONGEST_HEADER = 100_000_000
# Configuration is small; a tokenizer's vocabulary is not, and is read by its own library.
_CONFIGURATION = ("config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json")


def refuse_pickles(folder: Path) -> None:
    """Refuse a folder with a pickle in it, by name or by how it begins: vLLM would load it.

    Raises:
        UserError: There is one; the message names it.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (path.suffix.lower() in _PICKLES or _begins_like_a_pickle(path)):
            raise UserError(
                f"{path}: is a pickle, which runs code when it is loaded; take it out of the folder (only safetensors"
                " are loaded)"
            )


def _begins_like_a_pickle(path: Path) -> bool:
    with explained_reading(path), path.open("rb") as stream:
        return stream.read(4).startswith(_MARKS)


def check_files(folder: Path) -> None:
    """Refuse a folder whose configuration is no JSON, or whose tensors are cut off or no safetensors.

    Raises:
        UserError: The message names the file.
    """
    for name in _CONFIGURATION:
        if (folder / name).is_file():
            json_object(folder / name)
    for path in sorted(folder.glob("*.safetensors")):
        _check_tensors(path)


def _check_tensors(path: Path) -> None:
    with explained_reading(path), path.open("rb") as stream:
        size = path.stat().st_size
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > min(_LONGEST_HEADER, size - 8):
            raise UserError(f"{path}: not a safetensors file, or cut off: its header does not end; get it again")
        header = stream.read(length)
    where = f"{path}: header"
    try:
        tensors = json_cell(header.decode("utf-8"), where)
    except UnicodeDecodeError:
        raise UserError(f"{where}: not UTF-8 text; get the file again") from None
    if not isinstance(tensors, dict):
        raise UserError(f"{where}: must be a JSON object; get the file again")
    for name, tensor in tensors.items():
        if name == "__metadata__":
            continue
        ends = tensor.get("data_offsets") if isinstance(tensor, dict) else None
        if not (isinstance(ends, list) and len(ends) == 2 and all(isinstance(end, int) and end >= 0 for end in ends)):
            raise UserError(f"{where}: the tensor {name[:100]!r} has no data_offsets; get the file again")
        if ends[1] > size - 8 - length:
            raise UserError(
                f"{path}: cut off: the tensor {name[:100]!r} ends at byte {ends[1]} of {size - 8 - length}; get it"
                " again"
            )

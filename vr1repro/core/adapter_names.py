"""Names of the adapters of sets that are no benchmark: the files of `vr1repro/problems/adapters`.

`problems.lookup` loads them by name; a config is checked against the names alone.
"""

from pathlib import Path

# The adapter of a source that names none: the first whose columns a row has.
AUTO = "auto"
_FOLDER = Path(__file__).resolve().parents[1] / "problems" / "adapters"


def adapter_names() -> tuple[str, ...]:
    """All adapters, by name; `llava_cot.py` is `llava-cot`."""
    return tuple(sorted(path.stem.replace("_", "-") for path in _FOLDER.glob("[a-z]*.py")))

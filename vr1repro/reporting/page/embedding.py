"""Data for the page's scripts: JSON inside JavaScript files, since a browser refuses `fetch` on file://."""

import json
from pathlib import Path
from typing import Any

from vr1repro.core.files import write_atomically


def script(name: str, value: Any) -> str:
    r"""A script that hands `value` to the page under `name`.

    ASCII only, so that U+2028, U+2029 and lone surrogates are escapes; `<` is one too, so that neither `</script>` nor
    `<!--` can stand in it, wherever the text is put.

    Raises:
        ValueError: The value holds NaN or an infinity, which JSON does not have.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"vr1.load({json.dumps(name)},{text.replace('<', chr(92) + 'u003c')});\n"


def write_script(folder: Path, name: str, value: Any) -> None:
    """Write `<folder>/<name>.js`."""
    write_atomically(folder / f"{name}.js", script(name, value))

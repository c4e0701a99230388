"""Generate docs/upstream.md from upstream.yaml: `python -m vr1repro.core.upstream_docs [--check]`."""

import sys
from pathlib import Path

from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.core.upstream import libraries, require

PAGE = Path(__file__).resolve().parents[2] / "docs" / "upstream.md"


def text() -> str:
    """docs/upstream.md."""
    lines = [
        "# Private names and patches of other libraries",
        "",
        "Generated from `vr1repro/core/upstream.yaml` by `make docs`; do not edit. A release of a library may drop a",
        "private name, or change what a patch relies on without an error. `vr1repro.core.upstream.require` stands",
        "where each row applies: with a version outside the range the command ends and lists the library's rows. To",
        "raise a version, look at each row, run its test, and widen the range. `none found`: a search of the library's",
        "tracker gave no issue on the same subject.",
    ]
    for name, library in libraries().items():
        lines += [
            "",
            f"## {name} >={library.least},<{library.below}",
            "",
            "| name or patch | where | why | upstream | test |",
            "|---|---|---|---|---|",
        ]
        for use in library.uses:
            cells = (f"`{use['name']}`", f"`{use['where']}`", use["why"], use["issue"], f"`{use['test']}`")
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page; with --check compare it, and the installed versions with their ranges, and exit 1 on a fault."""
    if "--check" not in sys.argv:
        write_atomically(PAGE, text())
        return
    faults = []
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text():
        faults.append(f"out of date: docs/{PAGE.name}; run `make docs`")
    for name in libraries():
        try:
            require(name)
        except UserError as error:
            faults.append(str(error))
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()

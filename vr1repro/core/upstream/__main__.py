"""Generate docs/upstream.md: `python -m vr1repro.core.upstream [--check]`."""

import sys
from pathlib import Path

from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.core.upstream import libraries, require

PAGE = Path(__file__).resolve().parents[3] / "docs" / "upstream.md"
_HEAD = """\
# Private names and patches of other libraries

Generated from `vr1repro/core/upstream/table.yaml` by `make docs`; do not edit.

Any release of a library may rename a private name, and a patch may stop working without an error. Each place that uses
one calls `vr1repro.core.upstream.require`: with a version outside the library's range the command ends and lists the
rows of that library. To raise a version: read each row's code in the new release, run its test, widen the range, run
`make docs`. "none found" means that a search of the library's issues and pull requests gave nothing on the subject.
"""


def page() -> str:
    """The text of docs/upstream.md."""
    lines = [_HEAD]
    for library in libraries().values():
        lines += [f"## {library.name} >={library.least},<{library.below}", ""]
        lines += ["| private name or patch | used in | why | upstream | test |", "|---|---|---|---|---|"]
        for use in library.uses:
            cells = (f"`{use.name}`", f"`{use.where}`", use.why, use.issue, f"`{use.test}`")
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def faults() -> list[str]:
    """The installed versions outside their ranges, and a page that is out of date."""
    messages = []
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        messages.append(f"out of date: docs/{PAGE.name}; run `make docs`")
    for name in libraries():
        try:
            require(name)
        except UserError as error:
            messages.append(str(error))
    return messages


def main() -> None:
    """Write the page; with --check only compare page and versions, and exit 1 where one does not fit."""
    if "--check" not in sys.argv:
        write_atomically(PAGE, page())
    elif messages := faults():
        sys.exit("\n".join(messages))


if __name__ == "__main__":
    main()

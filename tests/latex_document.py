"""Tables in a document of LaTeX, compiled as a reader of a paper would."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

ABSENT = "no pdflatex; Debian has it in texlive-latex-base, and booktabs in texlive-latex-recommended"


def can_compile() -> bool:
    """Whether pdflatex is here."""
    return shutil.which("pdflatex") is not None


def compiled(folder: Path, sources: Sequence[str], width: str = "345pt") -> str:
    """What pdflatex says of tables in a document whose text has a width; `all.pdf` of the folder is made."""
    head = r"\documentclass{article}\usepackage{booktabs}\usepackage{graphicx}"
    # \clearpage: LaTeX holds few floats at a time.
    body = "\n\\clearpage\n".join(sources)
    document = f"{head}\n\\setlength{{\\textwidth}}{{{width}}}\n\\begin{{document}}\n{body}\n\\end{{document}}\n"
    (folder / "all.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "all.pdf").stat().st_size > 10_000
    return done.stdout

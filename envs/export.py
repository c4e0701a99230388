"""Export the hash-pinned requirement files from pyproject.toml: `make lock`.

`uv.lock` itself names registry hosts, so it is not committed; the exported files name none.

Snakemake copies a conda environment's YAML away before conda reads it, so that file cannot name its neighbour. The
script that Snakemake runs afterwards, in the work folder, installs the requirement file and holds its checksum:
another requirement file is another script, hence another environment.
"""

import hashlib
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
LAPTOP = ("grade", "report", "train", "evaluate", "workflow")
ENVIRONMENTS = {
    "micro": LAPTOP,
    "report": ("grade", "report"),
    "test": (*LAPTOP, "slurm", "vllm-cpu", "deepspeed", "test"),
    "cluster": (*LAPTOP, "slurm", "vllm", "deepspeed"),
}
CONDA = ("cluster", "report")  # what rules name
SCRIPT = """\
# Made by envs/export.py. Snakemake runs it in the new environment, from the work folder: the root of a clone.
set -eu
echo "{sha}  envs/{name}.txt" | sha256sum --check --quiet
python -m pip install --no-deps --require-hashes --requirement envs/{name}.txt
python -m pip install --no-deps --no-build-isolation --editable .
"""


def main() -> None:
    """Resolve once, export each environment."""
    subprocess.run(["uv", "lock"], cwd=HERE.parent, check=True)
    for name, extras in ENVIRONMENTS.items():
        options = [option for extra in extras for option in ("--extra", extra)]
        export = ["uv", "export", "-q", "--frozen", "--no-emit-project", "--no-header", "--format", "requirements-txt"]
        subprocess.run([*export, *options, "-o", str(HERE / f"{name}.txt")], cwd=HERE.parent, check=True, stdout=-3)
    write_scripts()


def write_scripts() -> None:
    """Write what installs an exported file into a new conda environment."""
    for name in CONDA:
        sha = hashlib.sha256((HERE / f"{name}.txt").read_bytes()).hexdigest()
        (HERE / f"{name}.post-deploy.sh").write_text(SCRIPT.format(sha=sha, name=name))


if __name__ == "__main__":
    main()

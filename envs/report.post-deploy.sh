# Made by envs/export.py. Snakemake runs it in the new environment, from the work folder: the root of a clone.
set -eu
echo "bfa1ff60dd896af7087a348e1e01eeb29f5b3122ca7569287d7a4bcb3b3147d8  envs/report.txt" | sha256sum --check --quiet
python -m pip install --no-deps --require-hashes --requirement envs/report.txt
python -m pip install --no-deps --no-build-isolation --editable .

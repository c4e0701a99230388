# Made by envs/export.py. Snakemake runs it in the new environment, from the work folder: the root of a clone.
set -eu
echo "ba03338557d180dab9746afded849be67a37917e59c101c6da343e9809d1e604  envs/report.txt" | sha256sum --check --quiet
python -m pip install --no-deps --require-hashes --requirement envs/report.txt
python -m pip install --no-deps --no-build-isolation --editable .

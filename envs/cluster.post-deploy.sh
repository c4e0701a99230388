# Made by envs/export.py. Snakemake runs it in the new environment, from the work folder: the root of a clone.
set -eu
echo "9a603929bbc97f2ccdaad0160964623d3b8d5e08a6b0ef266d29b803bd5b7f3d  envs/cluster.txt" | sha256sum --check --quiet
python -m pip install --no-deps --require-hashes --requirement envs/cluster.txt
python -m pip install --no-deps --no-build-isolation --editable .

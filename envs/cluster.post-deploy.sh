# Made by envs/export.py. Snakemake runs it in the new environment, from the work folder: the root of a clone.
set -eu
echo "3fdd19e6794da7025e989b1b19987f265dca03fa62912faff2b3fa7b6f41b3d0  envs/cluster.txt" | sha256sum --check --quiet
python -m pip install --no-deps --require-hashes --requirement envs/cluster.txt
python -m pip install --no-deps --no-build-isolation --editable .

# Made by envs/export.py. Snakemake runs it in the new environment, from the work folder: the root of a clone.
set -eu
echo "c9ebd751870c15a3161d8501c3e736434d365b33b16660765ff39cf0ecf4b695  envs/cluster.txt" | sha256sum --check --quiet
python -m pip install --no-deps --require-hashes --requirement envs/cluster.txt
python -m pip install --no-deps --no-build-isolation --editable .

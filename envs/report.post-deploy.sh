# Made by envs/export.py. Snakemake runs it in the new environment, from the work folder: the root of a clone.
set -eu
echo "23991e6af52697f2d64a97da7a5d85908bd9fb9b5291fbee2e9e339bf2fd3dd3  envs/report.txt" | sha256sum --check --quiet
python -m pip install --no-deps --require-hashes --requirement envs/report.txt
python -m pip install --no-deps --no-build-isolation --editable .

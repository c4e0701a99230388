"""The benchmarks as lm-eval tasks: YAML for `lm_eval --include_path`, and the same tasks built from problems."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent

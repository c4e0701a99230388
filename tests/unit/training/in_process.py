"""Training stages in processes of their own, which tests can kill, or start two of."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("run_stage.py")


def start(work: dict[str, Any], folder: Path, processes: int = 1) -> subprocess.Popen[bytes]:
    """Start `work` (see `run_stage.py`); its errors go to `folder/errors.txt`."""
    folder.mkdir(exist_ok=True)
    (folder / "work.pkl").write_bytes(pickle.dumps(work))
    command = [sys.executable, str(SCRIPT), str(folder / "work.pkl")]
    if processes > 1:
        # accelerate starts several CPU processes through MPI only; torchrun sets the same environment.
        launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
        command = [sys.executable, *launch, *command[1:]]
    with (folder / "errors.txt").open("w") as errors:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)


def finish(work: dict[str, Any], folder: Path, processes: int = 1) -> None:
    """Run `work` to its end."""
    code = start(work, folder, processes).wait()
    assert code == 0, (folder / "errors.txt").read_text()[-4000:]

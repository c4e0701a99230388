"""Python imports this first where its folder is on the path; it notes what a process imports of the package."""

import json
import os
import sys
from pathlib import Path


class Notes:
    """A finder that finds nothing, and notes what it is asked for with the command line of the moment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == "vr1repro":
            self._folder.mkdir(parents=True, exist_ok=True)
            # A fork of a warm process notes for itself, so the file is opened each time.
            with (self._folder / f"{os.getpid()}.jsonl").open("a") as file:
                file.write(json.dumps({"argv": sys.argv[1:3], "module": name}) + "\n")


if folder := os.environ.get("VR1REPRO_NOTED_IMPORTS"):
    sys.meta_path.insert(0, Notes(Path(folder)))

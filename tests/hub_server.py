"""A hub on 127.0.0.1: the few addresses that the hub's client asks for models and data sets, with ranges."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pandas as pd
from PIL import Image

COMMIT = "0123456789abcdef0123456789abcdef01234567"
# Two configurations, as MathVerse has: what `load_dataset` must be told apart by name.
CARD = """---
configs:
- config_name: testmini
  data_files: [{split: testmini, path: testmini.parquet}]
- config_name: other
  data_files: [{split: other, path: other.parquet}]
---
"""


class Hub(ThreadingHTTPServer):
    """Serves repositories: id to file name to content. `cut` names files whose first transfer ends half-way.

    Every commit has the same files; `commit` is the newest, and `commits` those that were asked for by name.
    """

    def __init__(self, repositories: dict[str, dict[str, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories, self.cut, self.sent = repositories, set[str](), Counter[str]()
        self.ranges: list[str] = []
        self.commit, self.commits = COMMIT, Counter[str]()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlparse(self.path).path.strip("/")
        if path.startswith("api/"):
            return self.tell(path)
        path = path.removeprefix("datasets/")
        owner, name, _, revision, file = path.split("/", 4)
        content = self.server.repositories.get(f"{owner}/{name}", {}).get(file)
        if content is None:
            return self.reply(404, b"", {"X-Error-Code": "EntryNotFound"})
        headers = {
            "X-Repo-Commit": self.commit_of(revision),
            "ETag": f'"{checksum(file, content)}"',
            "Accept-Ranges": "bytes",
        }
        if (wanted := self.headers.get("Range")) and self.command == "GET":
            self.server.ranges.append(wanted)
            first = int(wanted.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            return self.reply(206, content[first:], headers)
        if self.command == "GET":
            self.server.sent[file] += 1
        if self.command == "GET" and file in self.server.cut:
            self.server.cut.remove(file)
            self.send_response(200)
            for key, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.close_connection = True
            return None
        return self.reply(200, content, headers)

    def tell(self, path: str) -> None:
        parts = path.split("/")
        files = self.server.repositories.get("/".join(parts[2:4]))
        if files is None:
            return self.reply(401, b"{}", {"X-Error-Code": "RepoNotFound"})
        if "tree" in parts:
            said: Any = [{"type": "file", "path": name, "size": len(text), "oid": checksum(name, text)}
                         for name, text in files.items()]  # fmt: skip
        else:
            sha = self.commit_of(parts[5] if len(parts) > 5 else "main")
            said = {"id": "/".join(parts[2:4]), "sha": sha, "siblings": [{"rfilename": name} for name in files]}
        return self.reply(200, json.dumps(said).encode(), {"Content-Type": "application/json"})

    def commit_of(self, revision: str) -> str:
        if not re.fullmatch("[0-9a-f]{40}", revision):
            return self.server.commit
        self.server.commits[revision] += 1
        return revision

    def reply(self, code: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def checksum(name: str, content: bytes) -> str:
    """What the hub names a file by: SHA-256 of large files, git's hash of others."""
    if name.endswith((".safetensors", ".parquet")):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def parquet(question: str) -> bytes:
    """A question in MathVerse's columns."""
    picture, out = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (32, 32), "white").save(picture, "PNG")
    row = {"sample_index": "1", "problem_index": "1", "problem_version": "Text Lite", "question": question,
           "answer": "A",
           "image": {"bytes": picture.getvalue(), "path": None}, "question_type": "multi-choice",
           "metadata": {"split": "testmini", "source": "x", "subject": "Plane Geometry", "subfield": "Area"},
           "query_wo": question, "query_cot": question, "question_for_eval": question}  # fmt: skip
    pd.DataFrame([row]).to_parquet(out)
    return out.getvalue()


def vr1repro(config: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command in the config's folder, with a hub cache of its own there."""
    package = Path(__file__).parents[1]
    environment = {"HF_HOME": str(config.parent / "hf"), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", **variables}
    return subprocess.run(
        [sys.executable, "-m", "vr1repro.cli", *words], capture_output=True, text=True, check=False, cwd=config.parent,
        env={**os.environ, "PYTHONPATH": str(package), **environment},
    )  # fmt: skip

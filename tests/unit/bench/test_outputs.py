import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from bench.agreement import outputs
from bench.agreement.outputs import MANIFEST, Source, fetch, sources
from vr1repro.core.errors import UserError

ROWS = {str(n): {"answer": "7", "response": "r", "extraction": "7", "prediction": "7", "true_false": True}
        for n in range(3)}  # fmt: skip
ROWS["2"]["execution"] = "printed"
SOURCE = Source("o/r", "0" * 40, "results/a b/output_m.json", "mathvista/outputs/m.jsonl", 3)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server: Any = self.server
        data, wanted = server.files.get(unquote(self.path)), self.headers.get("Range")
        server.ranges.append(wanted)
        if data is None:
            return self.send_error(404)
        start = int(re.findall(r"\d+", wanted)[0]) if wanted and server.resumes else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : server.stops_at])
        return None

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    made: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.files = {"/o/r/" + "0" * 40 + "/results/a b/output_m.json": json.dumps(ROWS).encode()}
    made.ranges, made.resumes, made.stops_at = [], True, None
    made.site = f"http://127.0.0.1:{made.server_port}"
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.mark.parametrize("resumes", [True, False])
def test_a_broken_download_goes_on_where_it_stopped(server: Any, tmp_path: Path, resumes: bool) -> None:
    server.stops_at, server.resumes = 40, resumes
    with pytest.raises(UserError, match="run again"):
        list(fetch(tmp_path, [SOURCE], server.site))
    server.stops_at = None
    (line,) = fetch(tmp_path, [SOURCE], server.site)
    assert server.ranges == [None, "bytes=40-"]
    rows = [json.loads(text) for text in (tmp_path / SOURCE.target).read_text().splitlines()]
    assert [(row["pid"], row["response"], row["shipped_true_false"]) for row in rows] == [
        ("0", "r", True), ("1", "r", True), ("2", "printed", True),
    ]  # fmt: skip
    assert json.loads((tmp_path / MANIFEST).read_text())[0]["sha256"] in line
    list(fetch(tmp_path, [SOURCE], server.site))
    assert len(server.ranges) == 2  # what is there is not asked for again


def test_other_content_is_refused(server: Any, tmp_path: Path) -> None:
    list(fetch(tmp_path, [SOURCE], server.site))
    raw = tmp_path / "raw" / SOURCE.repository / SOURCE.commit / SOURCE.path
    raw.write_text(json.dumps({**ROWS, "0": {}}))
    with pytest.raises(UserError, match="is not the file that came before"):
        list(fetch(tmp_path, [SOURCE], server.site))
    server.files = dict.fromkeys(server.files, json.dumps({"1": {}}).encode())
    with pytest.raises(UserError, match="has 1 rows, not 3"):
        list(fetch(tmp_path / "new", [SOURCE], server.site))


def test_a_missing_file_is_named(server: Any, tmp_path: Path) -> None:
    server.files = {}
    with pytest.raises(UserError, match="404"):
        list(fetch(tmp_path, [SOURCE], server.site))


def test_every_source_is_pinned_and_has_a_target_of_its_own() -> None:
    all_of_them = list(sources())
    assert all(re.fullmatch(r"[0-9a-f]{40}", source.commit) for source in all_of_them)
    assert len({source.target for source in all_of_them}) == len(all_of_them)
    assert all(source.url().startswith(outputs.SITE) and " " not in source.url() for source in all_of_them)


def test_they_are_the_files_that_developers_have(shared: Path) -> None:
    targets = {source.target for source in sources()}
    here = {f.relative_to(shared).as_posix() for kind in ("mathvista", "mathvision")
            for f in (shared / kind / "outputs").glob("*.jsonl")}  # fmt: skip
    assert here <= targets

"""The table of private names and patches: complete, true, and obeyed."""

import re
from pathlib import Path

import pytest

from vr1repro.core import upstream, upstream_docs
from vr1repro.core.errors import UserError

ROWS = [(library, use) for library, entry in upstream.libraries().items() for use in entry.uses]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch):
    """Pretend that every library has one version."""

    def pretend(version: str) -> None:
        monkeypatch.setattr(upstream, "version", lambda distribution: version)
        upstream.require.cache_clear()

    yield pretend
    upstream.require.cache_clear()


@pytest.mark.parametrize(("library", "use"), ROWS, ids=[f"{library} {use['name']}" for library, use in ROWS])
def test_each_row_names_a_module_and_a_test_that_exist(repo: Path, library: str, use: dict[str, str]) -> None:
    assert (repo / "vr1repro" / use["where"]).is_file()
    path, _, name = use["test"].partition("::")
    assert re.search(rf"def {name}\(", (repo / path).read_text(encoding="utf-8"))
    assert use["issue"]


def test_each_library_that_is_required_is_in_the_table_and_the_other_way_round(repo: Path) -> None:
    sources = [path.read_text(encoding="utf-8") for path in (repo / "vr1repro").rglob("*.py")]
    required = {name for source in sources for name in re.findall(r'\brequire\("([^"]+)"\)', source)}
    assert required == set(upstream.libraries())


@pytest.mark.parametrize("version", ["1.16", "1.16.0", "1.16.3+cpu", "1.16rc1"])
def test_a_version_in_the_range_passes(installed, version: str) -> None:
    installed(version)
    upstream.require("trl")
    assert upstream.libraries()["trl"].fits(version)


@pytest.mark.parametrize("version", ["1.15.9", "1.17.0", "2"])
def test_a_version_outside_the_range_lists_what_to_look_at(installed, version: str) -> None:
    installed(version)
    with pytest.raises(UserError, match=rf"trl {version} is installed, this package knows >=1.16,<1.17") as caught:
        upstream.require("trl")
    for use in upstream.libraries()["trl"].uses:
        assert f"{use['name']} in vr1repro/{use['where']}: {use['test']}" in str(caught.value)


def test_the_page_is_up_to_date() -> None:
    assert upstream_docs.PAGE.read_text(encoding="utf-8") == upstream_docs.text()


def test_the_check_names_the_library(installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["upstream_docs", "--check"])
    upstream_docs.main()
    installed("99")
    with pytest.raises(SystemExit, match="vllm 99 is installed"):
        upstream_docs.main()

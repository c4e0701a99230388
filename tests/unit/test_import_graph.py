"""The checker of imports finds what it is for, on small packages."""

from pathlib import Path

import pytest
from import_graph import Package, between, circle, not_downwards


def package(folder: Path, **modules: str) -> Package:
    """A package `house` of the modules `room__module`, or `room` for its `__init__.py`."""
    (folder / "house").mkdir()
    (folder / "house" / "__init__.py").touch()
    for name, text in modules.items():
        path = folder.joinpath("house", *name.split("__"))
        path = path / "__init__.py" if any(other.startswith(f"{name}__") for other in modules) else path
        path.parent.mkdir(parents=True, exist_ok=True)
        (path if path.suffix else path.with_suffix(".py")).write_text(text)
    return Package.read(folder / "house")


@pytest.mark.parametrize(
    "text",
    [
        "import house.b",
        "from house import b",
        "from house.b import name",
        "from . import b",
        "from .b import name",
        "def run():\n    from house import b",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.b import Name",
        "import importlib\nimportlib.import_module('house.b')",
        "MODULES = {'name': 'house.b:Name'}",
        "command = [python, '-m', 'house.b', 'word']",
    ],
)
def test_every_way_to_name_a_module_is_an_arrow(tmp_path: Path, text: str) -> None:
    house = package(tmp_path, a=text, b="import house.a")
    assert house.arrows() == {("house.a", "house.b"), ("house.b", "house.a")}
    assert circle(house.arrows()) in (["house.a", "house.b", "house.a"], ["house.b", "house.a", "house.b"])


@pytest.mark.parametrize(
    "text",
    ["import other.b", "text = 'see house.b'", "name = 'b'", "def b(): ...", "command = [python, '-m', 'pip']"],
)
def test_other_words_are_none(tmp_path: Path, text: str) -> None:
    assert package(tmp_path, a=text, b="").arrows() == set()


def test_a_circle_of_three_is_found_and_a_chain_is_none(tmp_path: Path) -> None:
    house = package(tmp_path, a="import house.b", b="import house.c", c="NEXT = 'house.a'")
    assert set(circle(house.arrows())) == {"house.a", "house.b", "house.c"}
    assert circle(house.arrows(names_only=["house.c"])) == []


def test_python_m_of_a_package_runs_its_main(tmp_path: Path) -> None:
    package(tmp_path, a="start = [python, '-m', 'house']")
    (tmp_path / "house" / "__main__.py").write_text("from house import a")
    assert set(circle(Package.read(tmp_path / "house").arrows())) == {"house.__main__", "house.a"}


def test_a_package_that_loads_its_modules_by_name_needs_them(tmp_path: Path) -> None:
    lazy = "import importlib\nJOBS = ['some-job']\ndef run(name): importlib.import_module(f'{__name__}.{name}')"
    house = package(tmp_path, jobs=lazy, jobs__some_job="from house import jobs")
    assert circle(house.arrows()) != []
    assert house.loads_by_name() == {"house.jobs"}


def test_rooms_in_a_circle_without_one_of_modules(tmp_path: Path) -> None:
    house = package(tmp_path, a="", a__x="import house.b.y", a__z="", b="", b__y="", b__w="import house.a.z")
    assert circle(house.arrows()) == []
    assert set(circle(between(house.arrows(), "house"))) == {"a", "b"}


def test_arrows_that_do_not_go_down_are_named_and_a_room_without_floor_fails(tmp_path: Path) -> None:
    arrows = package(tmp_path, a="import house.b", b="", c="import house.a").arrows()
    assert not_downwards(arrows, "house", [["b"], ["a"], ["c"]]) == []
    assert not_downwards(arrows, "house", [["a"], ["b"], ["c"]]) == ["a -> b"]
    assert not_downwards(arrows, "house", [["a", "b"], ["c"]]) == ["a -> b"]
    with pytest.raises(KeyError):
        not_downwards(arrows, "house", [["a"], ["b"]])

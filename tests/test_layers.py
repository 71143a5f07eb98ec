"""Imports go one way, and there is one broad except."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.layers import LAYERS, ROOMS
from tests.support.paths import REPOSITORY

# The one module of pairsieve that imports filters: it hands their contracts to authors of plugins.
API = REPOSITORY / "pairsieve" / "api.py"


def modules(package: str) -> list[Path]:
    return sorted((REPOSITORY / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    return {name.partition(".")[0] for name in names} | rooms(names)


def rooms(names: Iterable[str]) -> set[str]:
    """Rooms of ours that are imported, as `pairsieve.web`."""
    return {".".join(name.split(".")[:2]) for name in names if name.startswith("pairsieve.")}


@pytest.mark.parametrize("package", LAYERS)
def test_imports_go_one_way(package):
    above = set(LAYERS[LAYERS.index(package) + 1 :])
    wrong = {
        str(path.relative_to(REPOSITORY)): sorted(imported(path) & above)
        for path in modules(package)
        if path != API and imported(path) & above
    }
    assert wrong == {}


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_one_way(room):
    above = {f"pairsieve.{name}" for name in ROOMS[ROOMS.index(room) + 1 :]}
    of_room = [
        path
        for path in modules("pairsieve")
        if path.relative_to(REPOSITORY / "pairsieve").parts[0].removesuffix(".py") == room
    ]
    wrong = {
        str(path.relative_to(REPOSITORY)): sorted(imported(path) & above)
        for path in of_room
        if imported(path) & above
    }
    assert of_room
    assert wrong == {}


def test_every_room_has_its_place():
    there = {
        path.relative_to(REPOSITORY / "pairsieve").parts[0].removesuffix(".py")
        for path in modules("pairsieve")
    }
    assert there - {"__init__", API.stem} == set(ROOMS)


def test_the_api_is_for_plugins_alone():
    assert imported(API) & set(LAYERS) == {"pairsieve", "filters"}
    ours = [path for package in LAYERS for path in modules(package)]
    assert not [path for path in ours if "pairsieve.api" in imported(path)]


def test_the_example_plugin_imports_the_api_alone():
    plugin = REPOSITORY / "docs" / "example_plugin" / "pairsieve_watermarks" / "__init__.py"
    from_house = {name for name in imported(plugin) if name.partition(".")[0] in LAYERS}
    assert from_house == {"pairsieve", "pairsieve.api"}


@pytest.mark.parametrize("package", ["pairsieve", "filters"])
def test_pure_functions_need_no_beam(package):
    assert not [path for path in modules(package) if "apache_beam" in imported(path)]


def test_one_broad_except():
    broad = [
        str(path.relative_to(REPOSITORY))
        for package in LAYERS
        for path in modules(package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException"))
    ]
    # files.py cleans up and raises again: once for a disk, once for an object store.
    files = "pairsieve/storage/files.py"
    assert broad == ["pairsieve/attempt.py", files, files]


def imported_modules(path: Path) -> set[str]:
    """Every module that a file imports, by its whole name.

    `from tests import test_x` counts as `tests.test_x`.
    """
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            modules |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    return modules


def is_test_module(name: str) -> bool:
    parts = name.split(".")
    return parts[0] == "tests" and any(part.startswith("test_") for part in parts[1:])


@pytest.mark.parametrize("package", ["tests", "benchmarks", "demo"])
def test_nothing_is_imported_from_test_modules(package):
    """What several tests need lies in a conftest.py or in tests/support."""
    wrong = {
        str(path.relative_to(REPOSITORY)): names
        for path in modules(package)
        if (names := sorted(filter(is_test_module, imported_modules(path))))
    }
    assert wrong == {}


def test_helper_modules_lie_in_support():
    folders = (REPOSITORY / "tests" / "support", REPOSITORY / "tests" / "pipeline" / "slow_plugin")
    elsewhere = [
        str(path.relative_to(REPOSITORY))
        for path in modules("tests")
        if not path.name.startswith("test_")
        and path.name not in ("__init__.py", "conftest.py")
        and not any(folder in path.parents for folder in folders)
    ]
    assert elsewhere == []

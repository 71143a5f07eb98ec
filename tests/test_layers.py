"""Imports go one way, and there is one broad except."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# A package may import those below it, and none above.
LAYERS = (
    "records",
    "storage",
    "web",
    "images",
    "erasure",
    "search",
    "explore",
    "filters",
    "archive",
    "links",
    "clip",
    "transforms",
    "pipeline",
)


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("package", LAYERS)
def test_imports_go_one_way(package):
    above = set(LAYERS[LAYERS.index(package) + 1 :])
    wrong = {str(path.relative_to(ROOT)): sorted(imported(path) & above) for path in modules(package) if imported(path) & above}
    assert wrong == {}


@pytest.mark.parametrize("package", [layer for layer in LAYERS if layer not in ("transforms", "pipeline", "clip")])
def test_pure_functions_need_no_beam(package):
    assert not [path for path in modules(package) if "apache_beam" in imported(path)]


def test_one_broad_except():
    broad = [
        str(path.relative_to(ROOT))
        for package in LAYERS
        for path in modules(package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and (node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException"))
    ]
    assert broad == ["storage/files.py", "filters/attempt.py"], "storage/files.py cleans up and raises again"

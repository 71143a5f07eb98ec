"""Versions with known holes that hostile bytes reach are not installed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
FIXED = [
    # package, first version without it, advisory (osv.dev)
    ("aiohttp", "3.13.3", "CVE-2025-69223"),
    ("aiohttp", "3.13.4", "CVE-2026-34520"),
    ("brotli", "1.2.0", "CVE-2025-6176"),
    ("brotli", "1.2.1", "CVE-2026-111497"),
    ("fsspec", "2026.6.0", "CVE-2026-104851"),
    ("h11", "0.16.0", "CVE-2025-43859"),
    ("jinja2", "3.1.5", "CVE-2024-56326"),
    ("jinja2", "3.1.6", "CVE-2025-27516"),
    ("pillow", "12.1.1", "CVE-2026-25990"),
    ("pillow", "12.2.0", "CVE-2026-40192"),
    ("pillow", "12.2.0", "CVE-2026-42311"),
    ("pillow", "12.3.0", "CVE-2026-59197"),
    ("pyarrow", "14.0.1", "CVE-2023-47248"),
    ("pyarrow", "23.0.1", "CVE-2026-25087"),
    ("pydantic", "2.4.0", "CVE-2024-3772"),
    ("python-multipart", "0.0.18", "CVE-2024-53981"),
    ("python-multipart", "0.0.26", "CVE-2026-40347"),
    ("python-multipart", "0.0.27", "CVE-2026-42561"),
    ("pyyaml", "5.4", "CVE-2020-14343"),
    ("starlette", "0.47.2", "CVE-2025-54121"),
    ("starlette", "0.49.1", "CVE-2025-62727"),
    ("starlette", "1.0.1", "CVE-2026-48710"),
    ("starlette", "1.3.1", "CVE-2026-54283"),
    ("torch", "2.6.0", "CVE-2025-32434"),
    ("torch", "2.10.0", "CVE-2026-24747"),
]


def lines() -> dict[str, str]:
    """Each requirement of pyproject.toml with the rest of its line, where its comment is."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    project = tomllib.loads(text)["project"]
    listed = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    rest = dict(re.findall(r'^\s*"([^"]+)",(.*)$', text, re.MULTILINE))
    return {one: rest.get(one, "") for one in listed}


def floors() -> dict[str, Version]:
    """Package -> the lowest version that a requirement takes; the highest of them, where it is
    named twice.
    """
    found = [
        (Requirement(one).name, bound)
        for one in lines()
        for bound in Requirement(one).specifier
        if bound.operator == ">="
    ]
    ordered = sorted((Version(bound.version), canonicalize_name(name)) for name, bound in found)
    return {name: version for version, name in ordered}


def pins() -> dict[str, Version]:
    pinned = (
        line.partition("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    return {canonicalize_name(name): Version(version) for name, _, version in pinned}


@pytest.mark.parametrize(("package", "version", "advisory"), FIXED)
def test_a_floor_is_above_each_known_hole(package, version, advisory):
    assert floors()[package] >= Version(version)
    said = next(
        comment
        for one, comment in lines().items()
        if canonicalize_name(Requirement(one).name) == package and "#" in comment
    )
    named = set(re.findall(r"CVE-\d+-\d+", said))
    assert advisory in named, "the line of the floor says why it is there"


def test_what_is_installed_is_above_every_floor():
    pinned = pins()
    below = {
        name: str(pinned[name])
        for name, floor in floors().items()
        if name in pinned and pinned[name] < floor
    }
    assert below == {}
    assert {package for package, _, _ in FIXED} <= pinned.keys()

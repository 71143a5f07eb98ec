"""What others wrote, for tests to compare with; tests are skipped with the reason where it is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ORACLES = Path(__file__).resolve().parent.parent.parent / "shared" / "oracles"


def oracle(name: str) -> Any:
    """The content of a JSON file of public test suites."""
    path = ORACLES / name
    if not path.exists():
        pytest.skip(f"the public suites' right answers are not here: {path.name}", allow_module_level=True)
    return json.loads(path.read_text("utf-8"))

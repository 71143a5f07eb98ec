"""Right answers from public test suites; a test is skipped where its file is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.paths import REPOSITORY

ORACLES = REPOSITORY.parent / "shared" / "oracles"


def oracle(name: str) -> Any:
    """The content of a JSON file of public test suites."""
    path = ORACLES / name
    if not path.exists():
        pytest.skip(
            f"the public suites' right answers are not here: {path.name}", allow_module_level=True
        )
    return json.loads(path.read_text("utf-8"))

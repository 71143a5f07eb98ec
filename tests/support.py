"""What others wrote, for tests to compare with; tests are skipped with the reason where it is
missing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

ORACLES = Path(__file__).resolve().parent.parent.parent / "shared" / "oracles"


def oracle(name: str) -> Any:
    """The content of a JSON file of public test suites."""
    path = ORACLES / name
    if not path.exists():
        pytest.skip(
            f"the public suites' right answers are not here: {path.name}", allow_module_level=True
        )
    return json.loads(path.read_text("utf-8"))


def run_command() -> list[str]:
    """`python -m pipeline.run`, which heeds Ctrl-C: a shell has whatever it starts in the
    background ignore it, perhaps these tests.
    """
    heeding = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"
    return [
        sys.executable,
        "-c",
        f"{heeding}; from pipeline.commands.run import main; sys.exit(main(sys.argv[1:]))",
    ]

"""Starts `pipeline.run` in a process of its own, and records which jobs ran in this one."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from pipeline.orchestrate.engine import Engine
from tests.support.paths import REPOSITORY


def interruptible_command() -> list[str]:
    """The start of a command line: `python -m pipeline.run` that handles Ctrl-C.

    A shell makes processes that it starts in the background ignore SIGINT. These tests may run in
    the background, so the handler is set again.
    """
    set_handler = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"
    run_main = "from pipeline.commands.run import main; sys.exit(main(sys.argv[1:]))"
    return [sys.executable, "-c", f"{set_handler}; {run_main}"]


def run_in_subprocess(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m pipeline.run` to its end, and keep what it printed."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline.run", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def record_jobs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that the names of all jobs that run from now on are added to."""
    jobs: list[str] = []
    original = Engine.run

    def recording(self: Engine, lay_out: Any, name: str, *rest: Any) -> Any:
        jobs.append(name)
        return original(self, lay_out, name, *rest)

    monkeypatch.setattr(Engine, "run", recording)
    return jobs

"""Runs commands, each in a forked process that may be killed before a change of the disk."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.paths import REPOSITORY


class ForkedCommands:
    """A process with everything imported, which forks for each command: a start takes no time."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.support.killing"]
        self._process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, arguments: Sequence[str], below: Path, kill_at: int = 0) -> dict[str, Any]:
        """Run a command; kill it before the n-th change below a folder (0: never).

        Gives `status` (KILLED when it was killed), and of a command that ended by itself also
        `printed`, `changes`, the number of changes that it made, and `made`, what they were.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"arguments": list(arguments), "kill_at": kill_at, "below": str(below)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        self._process.communicate()

"""Runs of the command on a cluster that are slow in fetch or score while a file is there: so
something can be killed in the middle of them.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.commands import interruptible_command
from tests.support.paths import REPOSITORY

PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
SLOW_DETECTORS = {"fetch": "pairsieve_slow:SlowResponse", "score": "pairsieve_slow:SlowImage"}


def slow_plugin_source(folder: Path) -> Path:
    """A copy of the slow plugin's source: nothing is built in the repository."""
    return shutil.copytree(
        REPOSITORY / "tests" / "pipeline" / "slow_plugin", folder / "source", dirs_exist_ok=True
    )


def install_slow_plugin(folder: Path) -> Path:
    """The folder that has the slow plugin as an installed package."""
    command = [*PIP, "install", "--no-deps", "--no-build-isolation", "--target", folder / "site"]
    subprocess.run([*command, slow_plugin_source(folder)], check=True)
    return folder / "site"


def build_slow_plugin(folder: Path) -> Path:
    """The wheel of the slow plugin."""
    command = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    subprocess.run([*command, slow_plugin_source(folder)], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def slow_file(folder: Path, stage: str) -> Path:
    """The file that slows fetch or score down while it is there."""
    return folder / f"slow-{stage}"


@contextmanager
def started_run(
    options: Sequence[str], folder: Path, key_file: Path, site: Path
) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own; output and work lie in `folder`."""
    settings = [f"publish.key_file={key_file}", "extract.part_rows=20"]
    for stage, name in SLOW_DETECTORS.items():
        settings.append(f'filters.detectors.{name}={{"while_there": "{slow_file(folder, stage)}"}}')
    command = [*interruptible_command(), *options]
    command += ["--output", str(folder / "out"), "--work", str(folder / "work")]
    command += [word for setting in settings for word in ("--set", setting)]
    with subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{site}:{REPOSITORY}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as run:
        yield run
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)


def wait_until(met: Callable[[], Any], seconds: float = 300) -> Any:
    """What `met` returns, once that is true. A busy machine takes its time until a stage begins."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = met()
        if found:
            return found
        time.sleep(0.1)
    raise TimeoutError


def parts_in(folder: Path, stage: str) -> dict[str, int]:
    """The finished parts of a stage, with their times: a part that is done again has another."""
    return {
        path.name: path.stat().st_mtime_ns for path in folder.glob(f"work/{stage}/*/part-*.parquet")
    }

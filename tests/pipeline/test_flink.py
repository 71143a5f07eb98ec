"""The four jobs on a real Flink: two task managers, and what happens when something is killed.

The right answer is the dataset of the local runner, byte for byte.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.commands import interruptible_command
from tests.support.datasets import hashes
from tests.support.flink import FlinkCluster, flink_cluster
from tests.support.paths import REPOSITORY

pytestmark = [pytest.mark.timeout(1200), pytest.mark.alone]

PUBLISHED = ("dataset/", "ledger/")
NO_RESTARTS = """
restart-strategy.type: none
"""


@pytest.fixture(scope="module")
def slow_site(tmp_path_factory) -> Path:
    """A folder with the slow plugin, as installed: fetch and score are slow while a file is there."""
    folder = tmp_path_factory.mktemp("slow")
    source = shutil.copytree(REPOSITORY / "tests" / "pipeline" / "slow_plugin", folder / "source")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    command = [*pip, "install", "--no-deps", "--no-build-isolation", "--target", folder / "site"]
    subprocess.run([*command, source], check=True)
    return folder / "site"


@pytest.fixture(scope="module")
def on_flink(tmp_path_factory, slow_site) -> Iterator[FlinkCluster]:
    """A cluster as it is shipped, whose workers have pairsieve as the image does."""
    with flink_cluster(tmp_path_factory.mktemp("flink"), (REPOSITORY, slow_site)) as found:
        yield found


@pytest.fixture
def started(key_file, slow_site, tmp_path):
    """Starts the command on a cluster, in a process of its own."""

    @contextmanager
    def start(cluster: FlinkCluster, *arguments: str) -> Iterator[subprocess.Popen]:
        settings = [f"publish.key_file={key_file}", "extract.part_rows=20"]
        for name, stage in (("SlowResponse", "fetch"), ("SlowImage", "score")):
            path = tmp_path / f"slow-{stage}"
            settings.append(f'filters.detectors.pairsieve_slow:{name}={{"while_there": "{path}"}}')
        command = [*interruptible_command(), *cluster.options, *arguments]
        command += ["--output", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
        command += [word for setting in settings for word in ("--set", setting)]
        with subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": f"{slow_site}:{REPOSITORY}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as run:
            yield run
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)

    return start


def said_by(run: subprocess.Popen, seconds: float = 600) -> str:
    """What the command printed until it ended."""
    said, _ = run.communicate(timeout=seconds)
    assert "Traceback" not in said, said
    return str(said)


def wait_until(met: Callable[[], object], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.1)


def parts_in(folder: Path, stage: str) -> dict[str, int]:
    return {
        path.name: path.stat().st_mtime_ns for path in folder.glob(f"work/{stage}/*/part-*.parquet")
    }


def published(folder: Path) -> dict[str, str]:
    """The files of dataset and ledger with their hashes."""
    found = {name: digest for name, digest in hashes(folder).items() if name.startswith(PUBLISHED)}
    assert found
    return found


def finish(started, cluster: FlinkCluster, tmp_path: Path, demo_run) -> None:
    """The next run goes on, and its dataset is that of the local runner."""
    for slow in tmp_path.glob("slow-*"):
        slow.unlink()
    with started(cluster) as run:
        said = said_by(run)
    assert run.returncode == 0, said
    of_dataset = {name for name in published(tmp_path / "out") if name.startswith("dataset/")}
    expected = published(demo_run.output)
    assert {name: published(tmp_path / "out")[name] for name in of_dataset} == {
        name: digest for name, digest in expected.items() if name.startswith("dataset/")
    }


def test_a_task_manager_is_killed_in_fetch(on_flink, started, demo_run, tmp_path):
    """The short form of what follows: with the settings that are shipped, nobody notices."""
    (tmp_path / "slow-fetch").touch()
    with started(on_flink, "--stages=extract,fetch") as run:
        wait_until(lambda: parts_in(tmp_path, "fetch"))
        on_flink.kill("taskmanager1")
        on_flink.kill("pool1")
        (tmp_path / "slow-fetch").unlink()
        on_flink.start("pool1")
        on_flink.start("taskmanager1")
        said = said_by(run)
    assert run.returncode == 0, said
    assert set(on_flink.jobs().values()) == {"FINISHED"}
    # Each costs a cluster seconds: they were 34 for extract, and its workers were started thrice.
    assert on_flink.tasks("pairsieve-demo-extract") == 18
    assert on_flink.log("pool2").count("Starting worker") <= 3
    assert parts_in(tmp_path, "fetch").keys() == parts_in(tmp_path, "extract").keys()

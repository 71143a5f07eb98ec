"""A cluster on loopback: Prism as job server, and the entry program of Beam's worker containers as
pool, in an environment that has what
pairsieve depends on and not pairsieve itself.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.support.paths import REPOSITORY

BUILT = (
    "go install github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0 "
    "github.com/apache/beam/sdks/v2/python/container@v2.77.0"
)


@dataclass(frozen=True)
class Cluster:
    """`pool` is the process that starts workers; `log` has what they log."""

    endpoint: str
    pool_address: str
    pool: psutil.Process
    log: Path

    @property
    def options(self) -> list[str]:
        where = [
            f"--job_endpoint={self.endpoint}",
            "--environment_type=EXTERNAL",
            f"--environment_config={self.pool_address}",
        ]
        return ["--runner=PortableRunner", *where]

    def worker(self) -> psutil.Process | None:
        """The Python process that works, if there is one."""
        return next(
            (
                p
                for p in self.pool.children(recursive=True)
                if "sdk_worker_main" in " ".join(_command(p))
            ),
            None,
        )


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def package_files() -> list[str]:
    """What a wheel is made of, by the list of packages that setup.py has: the repository may be a
    copy without its history.
    """
    packages = re.findall(r'^    "(\w+)",$', (REPOSITORY / "setup.py").read_text(), re.M)
    found = [
        path
        for package in packages
        for path in (REPOSITORY / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    return sorted(str(path.relative_to(REPOSITORY)) for path in found)


def build_wheel(folder: Path) -> Path:
    """Our wheel, by way of the sdist, made of a copy: nothing is built in the repository."""
    for name in (*package_files(), "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / name, folder / "source" / name)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        folder / "dist",
        folder / "source",
    ]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def environment_without_us(folder: Path) -> Path:
    """A virtual environment that sees what is installed here; a .pth within a .pth is not read, so
    an editable pairsieve is not seen.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    purelib = (
        folder
        / "lib"
        / f"python{sys.version_info.major}.{sys.version_info.minor}"
        / "site-packages"
    )
    (purelib / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Started on free ports, and ended by their process numbers with everything that they
    started.
    """
    prism, boot = shutil.which("prism"), shutil.which("container")
    if prism is None or boot is None:
        pytest.skip(f"Prism and the worker's entry program are not installed: {BUILT}")
    bin_folder = environment_without_us(folder / "worker") / "bin"
    job_port, pool_port = free_port(), free_port()
    pool_command: list[str | Path] = [
        bin_folder / "python",
        "-m",
        "apache_beam.runners.worker.worker_pool_main",
        f"--service_port={pool_port}",
    ]
    environment = {
        **os.environ,
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT": "1",
    }
    environment.pop("PYTHONPATH", None)
    with open(folder / "prism.log", "wb") as prism_log, open(folder / "pool.log", "wb") as pool_log:
        started = [
            psutil.Popen(
                [prism, f"-job_port={job_port}", "-serve_http=false"],
                stdout=prism_log,
                stderr=prism_log,
            ),
            psutil.Popen(
                [*pool_command, f"--container_executable={boot}"],
                stdout=pool_log,
                stderr=pool_log,
                env=environment,
                cwd=folder,
            ),
        ]
        try:
            for port in (job_port, pool_port):
                wait_for(port)
            yield Cluster(
                f"localhost:{job_port}",
                f"localhost:{pool_port}",
                psutil.Process(started[1].pid),
                folder / "prism.log",
            )
        finally:
            for process in started:
                _end(process)


@contextmanager
def prism_server(folder: Path) -> Iterator[str]:
    """Prism alone, for jobs whose workers are in the process that sends them; gives its address."""
    prism = shutil.which("prism")
    if prism is None:
        pytest.skip(f"Prism is not installed: {BUILT}")
    port = free_port()
    with open(folder / "prism.log", "wb") as log:
        command = [prism, f"-job_port={port}", "-serve_http=false"]
        server = psutil.Popen(command, stdout=log, stderr=log)
    try:
        wait_for(port)
        yield f"localhost:{port}"
    finally:
        _end(server)


def free_port() -> int:
    """A port that nothing listens on."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Different ports that nothing listens on.

    They lie below those that systems give to outgoing connections (32,768 and up on Linux). Until a
    server binds the port, seconds may pass, and a connection of another process could take it.
    """
    found: list[int] = []
    for port in random.SystemRandom().sample(range(20_000, 32_000), 1000):
        with suppress(OSError):
            socket.create_server(("127.0.0.1", port)).close()
            found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"fewer than {count} of 1,000 ports from 20,000 to 32,000 are free")


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("localhost", port), timeout=10).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"nothing listens on {port}")


def _end(process: psutil.Popen) -> None:
    for one in [*process.children(recursive=True), process]:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait(10)

"""A real Flink on loopback: a job manager, two task managers with a pool of workers each, and
Beam's job server. Jars, settings and Java flags are those of containers/.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import subprocess
import time
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.support.cluster import environment_without_us, free_ports
from tests.support.paths import REPOSITORY

FLINK = "1.19.3"
SHIPPED = REPOSITORY / "containers" / "flink"
TASK_MANAGERS = (1, 2)

# The same folder for every process that is started in the same one.
ARTIFACTS = "/proc/self/cwd/artifacts"

# What a cluster takes where all of it is on one machine.
ON_ONE_MACHINE = {
    "jobmanager.memory.process.size": "1024m",
    "taskmanager.cpu.cores": 1,
    "taskmanager.memory.framework.heap.size": "128m",
    "taskmanager.memory.framework.off-heap.size": "128m",
    "taskmanager.memory.task.heap.size": "384m",
    "taskmanager.memory.task.off-heap.size": 0,
    "taskmanager.memory.network.min": "128m",
    "taskmanager.memory.network.max": "128m",
    "taskmanager.memory.managed.size": "128m",
    "taskmanager.memory.jvm-metaspace.size": "256m",
    "taskmanager.memory.jvm-overhead.min": "192m",
    "taskmanager.memory.jvm-overhead.max": "192m",
}

# Two pools cannot listen on one port, and every task manager is given the same address of its pool.
# So each task manager reads a hosts file of its own, which leads the name `pool` to its pool.
POOL_PROGRAM = '''
"""Beam's worker pool on one address of the loopback range; it would listen on all."""

import sys

import grpc

host, make_server = sys.argv.pop(1), grpc.server


def server(*args, **kwargs):
    made = make_server(*args, **kwargs)
    add = made.add_insecure_port
    made.add_insecure_port = lambda address: add(address.replace("[::]", host))
    return made


grpc.server = server
from apache_beam.runners.worker import worker_pool_main

worker_pool_main.main(sys.argv)
'''


def installed_jars() -> str:
    """The class path: Flink's jars and Beam's, as in the image, with Flink's own classes first.

    Empty where they are not installed, or Java is missing.
    """
    folder = _cache()
    is_there = (folder / "flink" / "complete").exists() and (folder / "beam" / "pom.xml").exists()
    if shutil.which("java") is None or not is_there:
        return ""
    return f"{folder}/flink/*:{folder}/beam/*"


def _cache() -> Path:
    """The folder of `.ci/install_engines`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "pairsieve" / f"flink-{FLINK}"


def write_uber_jar(path: Path) -> Path:
    """All of Beam's jars in one, as Beam's own job server is packed for `--flink_job_server_jar`.

    That one is not among what Maven serves everywhere.
    """
    # Of files that several jars have, lists of services are put together; of others one is enough.
    services: dict[str, bytes] = {}
    taken = set()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as uber:
        for jar in sorted((_cache() / "beam").glob("*.jar")):
            with zipfile.ZipFile(jar) as one:
                for name in one.namelist():
                    # A signature holds for the jar that it came in.
                    if name.endswith(("/", ".SF", ".RSA", ".DSA")) or name in taken:
                        continue
                    if name.startswith("META-INF/services/"):
                        services[name] = services.get(name, b"") + one.read(name) + b"\n"
                        continue
                    taken.add(name)
                    uber.writestr(name, one.read(name))
        for name, content in services.items():
            uber.writestr(name, content)
    return path


@dataclass
class FlinkCluster:
    """Processes by name: jobmanager, taskmanager1, pool1, taskmanager2, pool2, jobserver.

    `without_artifacts` is a process that does not see the folder of artifacts.
    """

    folder: Path
    settings: Mapping[str, object]
    without_artifacts: str = ""
    slots: int = 2
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, psutil.Popen] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start one of the processes, after it was killed."""
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = psutil.Popen(
                self._command(name),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder / "elsewhere" if name == self.without_artifacts else self.folder,
                env=self._environment(name),
            )

    def kill(self, name: str) -> None:
        """Kill one of the processes, with all that it started."""
        end(self.processes.pop(name))

    def worker(self, number: int) -> psutil.Process | None:
        """A Python process that works for a task manager, if there is one."""
        for process in self.processes[f"pool{number}"].children(recursive=True):
            try:
                if "sdk_worker_main" in " ".join(process.cmdline()):
                    return process
            except psutil.Error:
                continue
        return None

    def log(self, name: str) -> str:
        """What a process has printed."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def rest(self, path: str) -> Any:
        """An answer of Flink's REST interface."""
        with urllib.request.urlopen(
            f"http://localhost:{self.ports['rest']}/v1{path}", timeout=60
        ) as answer:
            return json.load(answer)

    def jobs(self) -> dict[str, str]:
        """Name of a job -> its state, the newest last."""
        found = self.rest("/jobs/overview")["jobs"]
        by_time = sorted(found, key=lambda job: int(job["start-time"]))
        return {str(job["name"]): str(job["state"]) for job in by_time}

    def tasks(self, name: str) -> int:
        """The number of tasks of the newest job of that name."""
        vertices = self.rest(f"/jobs/{self._newest(name)}")["vertices"]
        return sum(int(vertex["parallelism"]) for vertex in vertices)

    def failures(self, name: str) -> int:
        """How often the newest job of that name failed and began again."""
        found = self.rest(f"/jobs/{self._newest(name)}/exceptions")
        return len(found["exceptionHistory"]["entries"])

    def job_ids(self, name: str) -> set[str]:
        """The ids of all jobs of that name, ended ones too."""
        return {
            str(job["jid"]) for job in self.rest("/jobs/overview")["jobs"] if job["name"] == name
        }

    def _newest(self, name: str) -> str:
        """The id of the newest job of that name."""
        found = [job for job in self.rest("/jobs/overview")["jobs"] if job["name"] == name]
        return str(max(found, key=lambda job: int(job["start-time"]))["jid"])

    @property
    def options(self) -> list[str]:
        """The options of `pipeline.run` that send a job here."""
        return [
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{self.ports['jobs']}",
            *self._workers,
        ]

    def uber_jar_options(self, jar: Path) -> list[str]:
        """The options that send a job here in one jar with Beam's, without a job server."""
        return [
            "--runner=FlinkRunner",
            f"--flink_master=localhost:{self.ports['rest']}",
            "--flink_submit_uber_jar",
            f"--flink_job_server_jar={jar}",
            *self._workers,
        ]

    @property
    def _workers(self) -> list[str]:
        return [
            "--environment_type=EXTERNAL",
            f"--environment_config=pool:{self.ports['pool']}",
            "--parallelism=2",
        ]

    def start_all(self) -> None:
        """Start every process, on free ports, and wait until everything answers."""
        names = ("rest", "rpc", "blob", "jobs", "artifacts", "expansion", "pool")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        _write_settings(self)
        self.start("jobmanager")
        self.start("jobserver")
        for number in TASK_MANAGERS:
            self.start(f"taskmanager{number}")
            self.start(f"pool{number}")
        self.wait()

    def kill_all(self) -> None:
        """Kill every process, with all that it started."""
        for name in list(self.processes):
            self.kill(name)

    def wait(self, slots: int | None = None) -> None:
        """Wait until everything answers, and the cluster has so many slots.

        Raises TimeoutError with the last lines of each log.
        """
        wanted = self.slots * len(TASK_MANAGERS) if slots is None else slots
        deadline = time.monotonic() + 150
        while time.monotonic() < deadline:
            try:
                if self.rest("/overview")["slots-total"] == wanted:
                    self._check_answers()
                    return
            except OSError:
                pass
            # Flink's processes give up where the machine is so busy that their network takes more
            # than 10 s to start (pekko.startup-timeout changes nothing there).
            for name, process in list(self.processes.items()):
                if process.poll() is not None:
                    self.start(name)
            time.sleep(0.2)
        logs = "\n".join(f"{name}: {self.log(name)[-1500:]}" for name in self.processes)
        raise TimeoutError(f"no cluster of {wanted} slots after 150 s:\n{logs}")

    def _check_answers(self) -> None:
        """Raise OSError where the job server or a pool does not listen yet."""
        pools = [(f"127.0.0.1{number}", self.ports["pool"]) for number in TASK_MANAGERS]
        for address in (("localhost", self.ports["jobs"]), *pools):
            socket.create_connection(address, timeout=10).close()

    def _command(self, name: str) -> Sequence[str | Path]:
        java = ["java", "-Xms128m", "-Xmx512m", "-XX:MaxMetaspaceSize=256m"]
        java += [f"@{SHIPPED / 'java.options'}", "-cp", installed_jars()]
        if name == "jobmanager":
            main = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
            return [*java, f"-Dlog4j.configurationFile={self.folder}/log4j.properties", main,
                    "--configDir", self.folder, "-D", "jobmanager.memory.heap.size=512m"]  # fmt: skip
        if name == "jobserver":
            ports = (("job", "jobs"), ("artifact", "artifacts"), ("expansion", "expansion"))
            return [*java, "org.apache.beam.runners.flink.FlinkJobServerDriver",
                    f"--flink-master=localhost:{self.ports['rest']}", "--job-host=localhost",
                    *(f"--{option}-port={self.ports[port]}" for option, port in ports),
                    f"--artifacts-dir={ARTIFACTS}"]  # fmt: skip
        number = name[-1]
        if name.startswith("taskmanager"):
            main = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
            hosts = f"-Djdk.net.hosts.file={self.folder}/hosts{number}"
            return [*java, f"-Dlog4j.configurationFile={self.folder}/log4j.properties", hosts, main,
                    "--configDir", self.folder, "-D", f"taskmanager.resource-id=tm{number}"]  # fmt: skip
        return [self.folder / f"worker{number}" / "bin" / "python", self.folder / "pool.py",
                f"127.0.0.1{number}", f"--service_port={self.ports['pool']}",
                f"--container_executable={self.folder}/boot{number}"]  # fmt: skip

    def _environment(self, name: str) -> dict[str, str]:
        environment = dict(os.environ)
        if name.startswith("pool"):
            environment.pop("PYTHONPATH", None)
            environment["RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT"] = "1"
            environment["PATH"] = f"{self.folder}/worker{name[-1]}/bin:{environment['PATH']}"
        return environment


def end(process: psutil.Popen) -> None:
    """Kill a process and all that it started."""
    try:
        started = process.children(recursive=True)
    except psutil.NoSuchProcess:
        started = []
    for one in [process, *started]:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait(20)


@contextmanager
def flink_cluster(
    folder: Path,
    installed: Sequence[Path] = (),
    settings: Mapping[str, object] | None = None,
    without_artifacts: str = "",
) -> Iterator[FlinkCluster]:
    """A started cluster, as it is shipped but for `settings`.

    Workers have what pairsieve depends on, and the packages in the folders of `installed`.
    """
    if not installed_jars():
        pytest.skip(f"Flink {FLINK} is not here: .ci/install_engines fetches it (Java and Maven)")
    boot = shutil.which("container")
    if boot is None:
        pytest.skip("the worker's entry program is not installed: .ci/run installs it (Go)")
    cluster = FlinkCluster(folder, settings or {}, without_artifacts)
    _write_workers(folder, boot, installed)
    try:
        try:
            cluster.start_all()
        except TimeoutError as error:
            # One more time, on other ports; pytest shows what is logged if this one fails, too.
            logging.getLogger(__name__).warning("%s", error)
            cluster.kill_all()
            cluster.start_all()
        yield cluster
    finally:
        cluster.kill_all()


def _write_settings(cluster: FlinkCluster) -> None:
    """Write the files that Flink's processes read."""
    folder, ports = cluster.folder, cluster.ports
    shipped = yaml.safe_load((SHIPPED / "config.yaml").read_text())
    addresses = {
        "jobmanager.rpc.address": "localhost",
        "jobmanager.rpc.port": ports["rpc"],
        "jobmanager.bind-host": "localhost",
        "blob.server.port": ports["blob"],
        "rest.address": "localhost",
        "rest.bind-address": "localhost",
        "rest.port": ports["rest"],
        "taskmanager.bind-host": "localhost",
        "taskmanager.host": "localhost",
        "taskmanager.numberOfTaskSlots": cluster.slots,
        # Clusters of several tests would share /tmp/tm_tm1, and leave hundreds of MB in /tmp: each
        # job brings Beam's jars.
        "io.tmp.dirs": str(folder / "temporary"),
        "web.tmpdir": str(folder / "temporary"),
    }
    settings = {**shipped, **ON_ONE_MACHINE, **addresses, **cluster.settings}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    (folder / "log4j.properties").write_text(
        "rootLogger.level = INFO\nrootLogger.appenderRef.out.ref = Console\n"
        "appender.console.name = Console\nappender.console.type = CONSOLE\n"
        "appender.console.layout.type = PatternLayout\n"
        "appender.console.layout.pattern = %d{HH:mm:ss,SSS} %-5p %c{1} - %m%n\n"
    )


def _write_workers(folder: Path, boot: str, installed: Sequence[Path]) -> None:
    """Write what the pools of workers are started from."""
    (folder / "elsewhere").mkdir()
    (folder / "pool.py").write_text(POOL_PROGRAM)
    for number in TASK_MANAGERS:
        # One for each pool, as on machines of their own: what a job sends along is installed there.
        environment_without_us(folder / f"worker{number}")
        site = next((folder / f"worker{number}" / "lib").glob("python*/site-packages"))
        (site / "installed.pth").write_text("".join(f"{path}\n" for path in installed))
        (folder / f"hosts{number}").write_text(f"127.0.0.1 localhost\n127.0.0.1{number} pool\n")
        staged = folder / f"staged{number}"
        staged.mkdir()
        program = folder / f"boot{number}"
        program.write_text(f'#!/bin/sh\nexec {boot} "$@" --semi_persist_dir={staged}\n')
        program.chmod(0o755)

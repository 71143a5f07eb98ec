"""The four jobs on Spark, by Beam's job server: the bytes are those of the local runner."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.support.cluster import free_port, wait_for
from tests.support.datasets import hashes
from tests.support.flink import SHIPPED, end
from tests.support.paths import REPOSITORY

pytestmark = [pytest.mark.timeout(1200), pytest.mark.alone, pytest.mark.soak]

# What Spark 3.5 needs of Java 17 beyond Flink's flags.
OPENED = ("sun.nio.ch", "sun.security.action", "java.lang.invoke", "sun.util.calendar")


@contextmanager
def spark_job_server(folder: Path) -> Iterator[int]:
    """Beam's job server with a Spark of two threads inside; gives its port."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    jars = cache / "pairsieve" / "spark"
    if shutil.which("java") is None or not (jars / "pom.xml").exists():
        pytest.skip("Spark is not here: `.ci/install_engines spark` fetches it (Java and Maven)")
    ports = {name: free_port() for name in ("job", "artifact", "expansion")}
    command = ["java", "-Xmx1g", f"@{SHIPPED / 'java.options'}"]
    command += [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in OPENED]
    command += ["-cp", f"{jars}/*", "org.apache.beam.runners.spark.SparkJobServerDriver"]
    command += ["--spark-master-url=local[2]", "--job-host=localhost"]
    command += [f"--{name}-port={port}" for name, port in ports.items()]
    command += [f"--artifacts-dir={folder}/artifacts"]
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"}
    with open(folder / "jobserver.log", "wb") as log:
        server = psutil.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment)
    try:
        wait_for(ports["job"])
        yield ports["job"]
    finally:
        end(server)


def test_the_same_bytes_as_on_the_local_runner(key_file, demo_run, tmp_path):
    with spark_job_server(tmp_path) as port:
        command = [sys.executable, "-m", "pipeline.run", "--runner=PortableRunner"]
        command += [f"--job_endpoint=localhost:{port}", "--environment_type=LOOPBACK"]
        command += ["--output", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
        command += ["--set", f"publish.key_file={key_file}"]
        run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    for folder in ("dataset", "ledger"):
        assert hashes(tmp_path / "out" / folder) == hashes(demo_run.output / folder)
    # Spark has no committed counters; they are shown as what they are.
    metrics = (tmp_path / "work" / "metrics.prom").read_text()
    assert 'pairsieve_beam_counter{kind="attempted",name="pair_in",stage="score"} 193.0' in metrics
    assert 'pairsieve_outcomes{outcome="kept",reason="",stage="publish",unit="sample"}' in metrics

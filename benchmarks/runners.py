"""Runs the demonstration on every runner and store at hand, and compares the bytes.

    python -m benchmarks.runners [--quick] [--only WORD ...] [--copies N | --input FILE]

Prints seconds and memory of each run, the seconds of its stages, and whether its files are the same
as those of the first.

The runners are DirectRunner with one and with two processes; Prism as job server with the entry
program of Beam's worker containers as pool, where both programs are on the PATH; and Flink with two
task managers, where `.ci/install_engines` has put it. The stores are S3 (moto's server) and
Google's storage (fake-gcs-server, where it is on the PATH). `--quick` leaves out Prism, Flink and
the second process. `--only Flink` leaves out all but Flink and the first, with which it is
compared. `--copies` runs the demonstration crawl so many times, under other hosts; `--input` a
crawl of your own.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import fsspec

from benchmarks.machine import Memory, cpu
from benchmarks.scale import copy_under_other_host
from pipeline.orchestrate.config_file import CONFIGS
from tests.support.cluster import build_wheel, cluster
from tests.support.flink import flink_cluster, installed_jars
from tests.support.stores import serve_google_storage, serve_s3

REPOSITORY = Path(__file__).resolve().parent.parent
ONE_PROCESS = ["--direct_num_workers=1"]
FIRST = "DirectRunner, 1 process"


@dataclass(frozen=True)
class Measured:
    """One run: seconds, peak memory of all its processes, and the files that it wrote.

    `tasks`: stage -> tasks that Flink set up.
    """

    seconds: float
    seconds_by_stage: dict[str, float]
    memory_gb: float
    sha256_by_file: dict[str, str]
    tasks: dict[str, int] = field(default_factory=dict)


def run(options: Sequence[str], root: str, key_file: Path) -> Measured:
    """Run the demonstration with its output and work below a folder or a bucket."""
    output = f"{root}/out"
    command = [sys.executable, "-m", "pipeline.run", "--output", output, "--work", f"{root}/work"]
    command += ["--set", f"publish.key_file={key_file}", "--log", "quiet", *options]
    # Else each worker measures which precision is fastest, and they may differ in the last digits.
    command += ["--set", "score.precision=fp32"]
    started = time.perf_counter()
    with Memory() as memory:
        subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    by_stage = _seconds_by_stage(f"{root}/work/metrics.prom")
    return Measured(seconds, by_stage, memory.most / 1e9, _sha256_by_file(output))


def _seconds_by_stage(metrics: str) -> dict[str, float]:
    """How long each stage worked, by the metrics that the run has written."""
    with fsspec.open(metrics, "rt") as stream:
        text = stream.read()
    lines = re.findall(r'^pairsieve_stage_seconds\{stage="(\w+)"\} (\S+)$', text, re.MULTILINE)
    return {stage: float(seconds) for stage, seconds in lines}


def _sha256_by_file(output: str) -> dict[str, str]:
    """Hash every file of a dataset: path below the dataset -> sha256."""
    store, root = fsspec.url_to_fs(output)
    prefix = root.rstrip("/")
    hashes = {}
    for path in store.find(root):
        # A store may put its own prefix before the root.
        _, _, name = path.partition(prefix)
        hashes[name] = hashlib.sha256(store.cat(path)).hexdigest()
    return hashes


@contextmanager
def s3_bucket() -> Iterator[str]:
    """Make a bucket on a local server that speaks S3; yields its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with serve_s3() as url:
        os.environ |= {
            "AWS_ENDPOINT_URL": url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
        }
        fsspec.filesystem("s3").mkdir("runs")
        yield "s3://runs"


@contextmanager
def google_bucket() -> Iterator[str]:
    """Make a bucket on a local server that speaks Google's storage; yields its address."""
    with serve_google_storage() as url:
        os.environ |= {
            # gcsfs reads this when it is imported; without it, it waits for a minute.
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
            "STORAGE_EMULATOR_HOST": url,
            "GOOGLE_CLOUD_PROJECT": "test",
        }
        fsspec.filesystem("gs", project="test").mkdir("runs")
        yield "gs://runs"


def run_on_prism(folder: Path, key_file: Path, inputs: Sequence[str]) -> Measured:
    """Run on a cluster on this machine, whose workers get our wheel."""
    (folder / "cluster").mkdir()
    wheel = build_wheel(folder / "built")
    with cluster(folder / "cluster") as started:
        options = [*started.options, f"--extra_package={wheel}", *inputs]
        return run(options, str(folder / "prism"), key_file)


def run_on_flink(folder: Path, key_file: Path, inputs: Sequence[str]) -> Measured:
    """Run on two task managers on this machine, whose workers have pairsieve as the image does."""
    (folder / "flink-cluster").mkdir()
    with flink_cluster(folder / "flink-cluster", (REPOSITORY,)) as started:
        measured = run([*started.options, *inputs], str(folder / "flink"), key_file)
        tasks = {name.rpartition("-")[2]: started.tasks(name) for name in started.jobs()}
        return replace(measured, tasks=tasks)


def stores() -> dict[str, Callable[[], AbstractContextManager[str]]]:
    """Return the stores whose servers are installed: name -> what opens a bucket."""
    by_name: dict[str, Callable[[], AbstractContextManager[str]]] = {"S3": s3_bucket}
    if shutil.which("fake-gcs-server"):
        by_name["Google's storage"] = google_bucket
    return by_name


def run_in_store(
    open_bucket: Callable[[], AbstractContextManager[str]], options: Sequence[str], key_file: Path
) -> Measured:
    """Run with output and work in a bucket."""
    with open_bucket() as root:
        return run(options, root, key_file)


def runs_at_hand(folder: Path, inputs: Sequence[str]) -> dict[str, Callable[[], Measured]]:
    """Every runner and store that is installed: name -> what runs on it."""
    key_file = folder / "ledger.key"
    key_file.write_text("00" * 32)
    one_process = [*ONE_PROCESS, *inputs]
    two_processes = ["--direct_num_workers=2", *inputs]
    found: dict[str, Callable[[], Measured]] = {
        FIRST: partial(run, one_process, str(folder / "one"), key_file),
        "DirectRunner, 2 processes": partial(run, two_processes, str(folder / "two"), key_file),
    }
    if shutil.which("prism") and shutil.which("container"):
        found["Prism with a pool of worker programs"] = partial(
            run_on_prism, folder, key_file, inputs
        )
    if installed_jars() and shutil.which("container"):
        found["Flink with two task managers"] = partial(run_on_flink, folder, key_file, inputs)
    for name, open_bucket in stores().items():
        found[f"{FIRST}, on {name}"] = partial(run_in_store, open_bucket, one_process, key_file)
    return found


def wanted(names: Sequence[str], only: Sequence[str]) -> list[str]:
    """The names that hold one of the words of `only`, and the first, with which all are compared."""
    return [name for name in names if name == FIRST or any(word in name for word in only)]


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="DirectRunner alone, one process")
    parser.add_argument(
        "--only", action="append", metavar="WORD", help="beside the first, runs with WORD in them"
    )
    crawl = parser.add_mutually_exclusive_group()
    crawl.add_argument(
        "--copies", type=int, default=0, metavar="N", help="the demonstration N times"
    )
    crawl.add_argument("--input", default="", metavar="FILE", help="a crawl of your own")
    return parser


def main() -> None:
    """Run on everything, and print one line of a table for each."""
    options = make_parser().parse_args()
    print(f"{cpu()}, {os.cpu_count()} cores")
    expected: dict[str, str] | None = None
    runs = 0
    runs_with_same_bytes = 0
    with tempfile.TemporaryDirectory() as folder:
        inputs = [f"--input={options.input}"] if options.input else []
        for number in range(options.copies):
            copy = copy_under_other_host(CONFIGS / "demo" / "crawl.warc.gz", number, Path(folder))
            inputs.append(f"--input={copy}")
        runs_by_name = runs_at_hand(Path(folder), inputs)
        # An empty word is in every name.
        only = [FIRST] if options.quick else options.only or [""]
        for name in wanted(list(runs_by_name), only):
            runs += 1
            try:
                measured = runs_by_name[name]()
            except subprocess.CalledProcessError:
                # The command has said why. Prism gives its workers a minute, which a busy machine
                # may need for their installation.
                print(f"| {name} | failed |", flush=True)
                continue
            if expected is None:
                expected = measured.sha256_by_file
            runs_with_same_bytes += measured.sha256_by_file == expected
            _print(name, measured, expected)
    print(f"goal runners_with_the_same_bytes {runs_with_same_bytes} >= {runs}")


def _print(name: str, measured: Measured, expected: Mapping[str, str]) -> None:
    """Print the line of a run, and below it the files that are not as expected."""
    files = measured.sha256_by_file
    verdict = "the same" if files == expected else "OTHER"
    stages = ", ".join(f"{stage} {s:.1f}" for stage, s in measured.seconds_by_stage.items())
    print(
        f"| {name} | {measured.seconds:.1f} | {stages} | {measured.memory_gb:.1f} | "
        f"{verdict}, {len(files)} files |",
        flush=True,
    )
    for file in sorted(expected.keys() | files.keys()):
        if expected.get(file) != files.get(file):
            print("differs:", file, flush=True)
    if measured.tasks:
        print("Flink's tasks:", measured.tasks)


if __name__ == "__main__":
    main()

"""Runs the demonstration on every runner and store at hand: seconds, memory, and same bytes or not.

    python benchmarks/runners.py [--quick]

The runners: DirectRunner with one and with two processes; Prism as job server with the entry
program of Beam's worker containers as pool, where both programs are on the PATH. The stores: S3
(moto's server) and Google's storage (fake-gcs-server, where it is on the PATH). `--quick` leaves
out Prism and the second process.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import fsspec

from benchmarks.score import cpu
from benchmarks.shards import Memory
from tests.support.cluster import build_wheel, cluster
from tests.support.stores import serve_google_storage, serve_s3

REPOSITORY = Path(__file__).resolve().parent.parent
ONE_PROCESS = ["--direct_num_workers=1"]


@dataclass(frozen=True)
class Measured:
    """One run. `memory_gb` is that of all processes below this one."""

    seconds: float
    memory_gb: float
    sha256_by_file: dict[str, str]


def run(options: Sequence[str], root: str, key_file: Path) -> Measured:
    """Run the demonstration with its output and work below a folder or a bucket."""
    output = f"{root}/out"
    command = [sys.executable, "-m", "pipeline.run", "--output", output, "--work", f"{root}/work"]
    command += ["--set", f"publish.key_file={key_file}", "--log", "quiet", *options]
    started = time.perf_counter()
    with Memory() as memory:
        subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    return Measured(seconds, memory.most / 1e9, _sha256_by_file(output))


def _sha256_by_file(output: str) -> dict[str, str]:
    store, root = fsspec.url_to_fs(output)
    prefix = root.rstrip("/")
    return {
        path.split(prefix, 1)[1]: hashlib.sha256(store.cat(path)).hexdigest()
        for path in store.find(root)
    }


@contextmanager
def s3_bucket() -> Iterator[str]:
    """A bucket on a server that speaks S3; gives its address."""
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
    """A bucket on a server that speaks Google's storage; gives its address."""
    with serve_google_storage() as url:
        os.environ |= {
            # gcsfs reads this when it is imported; without it, it waits for a minute.
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
            "STORAGE_EMULATOR_HOST": url,
            "GOOGLE_CLOUD_PROJECT": "test",
        }
        fsspec.filesystem("gs", project="test").mkdir("runs")
        yield "gs://runs"


def run_on_prism(folder: Path, key_file: Path) -> Measured:
    """Run on a cluster of loopback, whose workers get our wheel."""
    (folder / "cluster").mkdir()
    wheel = build_wheel(folder / "built")
    with cluster(folder / "cluster") as started:
        options = [*started.options, f"--extra_package={wheel}"]
        return run(options, str(folder / "prism"), key_file)


def stores() -> dict[str, Callable[[], AbstractContextManager[str]]]:
    """The stores whose servers are installed."""
    by_name: dict[str, Callable[[], AbstractContextManager[str]]] = {"S3": s3_bucket}
    if shutil.which("fake-gcs-server"):
        by_name["Google's storage"] = google_bucket
    return by_name


def measure(folder: Path, quick: bool) -> Iterator[tuple[str, Measured]]:
    """(name, run) of every runner and store; the first one is what others are compared with."""
    key_file = folder / "ledger.key"
    key_file.write_text("00" * 32)
    yield "DirectRunner, 1 process", run(ONE_PROCESS, str(folder / "one"), key_file)
    if not quick:
        two_processes = ["--direct_num_workers=2"]
        yield "DirectRunner, 2 processes", run(two_processes, str(folder / "two"), key_file)
    if not quick and shutil.which("prism") and shutil.which("container"):
        yield "Prism with a pool of worker programs", run_on_prism(folder, key_file)
    for name, open_bucket in stores().items():
        with open_bucket() as root:
            yield f"DirectRunner, 1 process, on {name}", run(ONE_PROCESS, root, key_file)


def main() -> None:
    """Run on everything, and print one line of a table for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="without Prism and a second process")
    options = parser.parse_args()
    print(f"{cpu()}, {os.cpu_count()} cores")
    expected: dict[str, str] | None = None
    same: list[bool] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, measured in measure(Path(folder), options.quick):
            files = measured.sha256_by_file
            expected = files if expected is None else expected
            same.append(files == expected)
            verdict = "the same" if same[-1] else "OTHER"
            print(
                f"| {name} | {measured.seconds:.1f} | {measured.memory_gb:.1f} | {verdict}, "
                f"{len(files)} files |"
            )
    print(f"goal runners_with_the_same_bytes {sum(same)} >= {len(same)}")


if __name__ == "__main__":
    main()

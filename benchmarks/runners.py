"""The demonstration on every runner and store that is at hand: wall time, memory, and whether every
file has the same bytes.

    python benchmarks/runners.py [--quick]

DirectRunner in one and two processes; Prism as job server with the entry program of Beam's worker
containers as pool, where both programs are on the PATH; S3 (moto's server) and Google's storage
(fake-gcs-server, where it is on the PATH). `--quick` leaves Prism and the second process out.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import fsspec
from moto.server import ThreadedMotoServer

from benchmarks.score import cpu
from benchmarks.shards import Memory
from tests.support.cluster import build_wheel, cluster, free_port, wait_for

Hashes = dict[str, str]
REPOSITORY = Path(__file__).resolve().parent.parent


def run(options: Sequence[str], output: str, work: str, key: Path) -> tuple[float, float, Hashes]:
    """(seconds, GB of all processes below this one, sha256 of every file below the output
    directory).
    """
    own = ["--output", output, "--work", work, "--set", f"publish.key_file={key}", "--log", "quiet"]
    started = time.perf_counter()
    with Memory() as memory:
        subprocess.run(
            [sys.executable, "-m", "pipeline.run", *own, *options],
            cwd=REPOSITORY,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    seconds = time.perf_counter() - started
    store, root = fsspec.url_to_fs(output)
    found = {
        path.split(root.rstrip("/"), 1)[1]: hashlib.sha256(store.cat(path)).hexdigest()
        for path in store.find(root)
    }
    return seconds, memory.most / 1e9, found


@contextmanager
def s3() -> Iterator[str]:
    """A bucket of a server of S3's."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    account = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= {**account, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    fsspec.filesystem("s3").mkdir("runs")
    yield "s3://runs"
    server.stop()


@contextmanager
def gs() -> Iterator[str]:
    """A bucket of a server of Google's storage."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    os.environ |= {
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        "STORAGE_EMULATOR_HOST": url,
        "GOOGLE_CLOUD_PROJECT": "test",
    }
    command = [
        "fake-gcs-server",
        "-scheme",
        "http",
        "-host",
        "127.0.0.1",
        "-port",
        str(port),
        "-backend",
        "memory",
        "-external-url",
        url,
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        wait_for(port)
        fsspec.filesystem("gs", project="test").mkdir("runs")
        yield "gs://runs"
        server.terminate()


def told(name: str, made: tuple[float, float, Hashes], wanted: Hashes) -> bool:
    """Print a line; whether the bytes are the same."""
    seconds, memory, found = made
    same = found == wanted
    print(
        f"| {name} | {seconds:.1f} | {memory:.1f} | {'the same' if same else 'OTHER'}, "
        f"{len(found)} files |"
    )
    return same


def main() -> None:
    """Run on everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="without Prism and a second process")
    options = parser.parse_args()
    print(f"{cpu()}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        key = folder / "ledger.key"
        key.write_text("00" * 32)
        one = ["--direct_num_workers=1"]
        first = run(one, str(folder / "one" / "out"), str(folder / "one" / "work"), key)
        same = [told("DirectRunner, 1 process", first, first[2])]
        if not options.quick:
            made = run(
                ["--direct_num_workers=2"],
                str(folder / "two" / "out"),
                str(folder / "two" / "work"),
                key,
            )
            same.append(told("DirectRunner, 2 processes", made, first[2]))
        if not options.quick and shutil.which("prism") and shutil.which("container"):
            (folder / "cluster").mkdir()
            wheel = build_wheel(folder / "built")
            with cluster(folder / "cluster") as found:
                made = run(
                    [*found.options, f"--extra_package={wheel}"],
                    str(folder / "prism" / "out"),
                    str(folder / "prism" / "work"),
                    key,
                )
            same.append(told("Prism with a pool of worker programs", made, first[2]))
        for name, store, there in (
            ("S3", s3, True),
            ("Google's storage", gs, shutil.which("fake-gcs-server")),
        ):
            if there:
                with store() as root:
                    same.append(
                        told(
                            f"DirectRunner, 1 process, on {name}",
                            run(one, f"{root}/out", f"{root}/work", key),
                            first[2],
                        )
                    )
    print(f"goal runners_with_the_same_bytes {sum(same)} >= {len(same)}")


if __name__ == "__main__":
    main()

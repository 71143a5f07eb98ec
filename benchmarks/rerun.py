"""What changes cost: a run again with another rule, an erasure, a run that was killed.

    python -m benchmarks.rerun [--quick] [--input PATTERN] [--checkpoint FILE] [--rows N]

Runs read PATTERN (the demonstration crawl by default), pictures from the archive, and score with
ViT-B-32 where a checkpoint is given. Times of the runs are those of the jobs, in one process:
starting the command takes some seconds more. The erasure takes 10 rows out of a dataset of N made
rows in 32 shards, beside a loop that writes every shard anew.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.score import cpu
from pipeline.commands.adopt import adopt
from pipeline.commands.erase import main as erase
from pipeline.commands.run import make_parser
from pipeline.orchestrate.command import prepare
from pipeline.orchestrate.config_file import CONFIGS
from pipeline.orchestrate.stages import Run

DEMO = f"{{m: {{architecture: 'local-dir:{CONFIGS}/demo/clip', demo: true}}}}"
SHARDS, ERASED = 32, 10
SEED = 7


def settings(options: argparse.Namespace, place: Path) -> list[str]:
    """The command's arguments for a run that publishes whatever agrees at all."""
    model = (
        f"{{m: {{architecture: ViT-B-32, pretrained: {options.checkpoint}}}}}"
        if options.checkpoint
        else DEMO
    )
    wanted = [
        f"score.models={model}", "score.routes={en: m, multi: m, nolang: m}", "fetch.source=archive", "score.detect_margin=0",
        "filters.rules.similarity.thresholds={en: -1, multi: -1, nolang: -1}", "extract.buckets=16",
        "publish.max_quarantine=1",
    ]  # fmt: skip
    flags = [argument for setting in wanted for argument in ("--set", setting)]
    return [
        "--input",
        options.input,
        "--output",
        str(place / "out"),
        "--work",
        str(place / "work"),
        "--direct_num_workers=1",
        *flags,
    ]


def run(arguments: Sequence[str]) -> float:
    """Seconds of the jobs."""
    options, beam_arguments = make_parser().parse_known_args(arguments)
    plan, engine = prepare(options, beam_arguments)
    started = time.perf_counter()
    Run(plan, engine).execute()
    return time.perf_counter() - started


def stages(place: Path) -> dict[str, float]:
    """When each stage result was finished."""
    return {
        str(path.parent): json.loads(path.read_text())["finished"]
        for path in place.glob("work/*/*/manifest.json")
    }


def rule_changed(options: argparse.Namespace, place: Path) -> dict[str, Any]:
    """A whole run, and one again with another rule."""
    arguments = settings(options, place)
    whole_s = run(arguments)
    before = stages(place)
    again_s = run([*arguments, "--set", "filters.rules.image_size.min_side=40"])
    done = [
        Path(folder).parent.name for folder, at in stages(place).items() if before.get(folder) != at
    ]
    print(f"whole run {whole_s:.1f} s, with another rule {again_s:.2f} s: {', '.join(done)}")
    return {
        "rerun_times_faster": (whole_s / again_s, ">=", 50),
        "rerun_requests": (float(done.count("fetch")), "<=", 0),
        "rerun_forwards": (float(done.count("score")), "<=", 0),
    }


def made_dataset(folder: Path, rows: int) -> list[str]:
    """Rows as we publish them, as far as erasure reads them; the keys of some."""
    random = Random(SEED)
    keys: list[str] = []
    (folder / "dataset").mkdir(parents=True)
    for shard in range(SHARDS):
        number = rows // SHARDS
        of_shard = [f"{random.getrandbits(128):032x}" for _ in range(number)]
        table = pa.table(
            {
                "URL": [f"https://host{i % 5000}.example/{shard}/{i}.jpg" for i in range(number)],
                "TEXT": [
                    f"a caption of some words, number {i} of shard {shard}" for i in range(number)
                ],
                "similarity": np.linspace(0.28, 0.4, number),
                "key": of_shard,
                "page_url": [f"https://site{i % 3000}.example/page/{i}" for i in range(number)],
                "sha256": [key * 2 for key in of_shard],
                "md5": of_shard,
                "pdq": [key[::-1] * 2 for key in of_shard],
            }
        )
        pq.write_table(table, folder / "dataset" / f"part-{shard:05d}.parquet", compression="zstd")
        keys += of_shard[:1]
    return random.sample(keys, ERASED)


def erasure(place: Path, rows: int) -> dict[str, Any]:
    """Ten rows out of many, in as many shards, beside writing everything anew."""
    folder = place / "made"
    keys = made_dataset(folder, rows)
    adopt(str(folder), {})
    (place / "requests.jsonl").write_text("".join(json.dumps({"key": key}) + "\n" for key in keys))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    started = time.perf_counter()
    status = erase(["--dataset", str(folder), "--requests", str(place / "requests.jsonl")])
    erased_s = time.perf_counter() - started
    assert status == 0
    touched = [path for path in before if path.stat().st_mtime_ns != before[path]]
    started = time.perf_counter()
    for path in before:
        table = pq.read_table(path)
        pq.write_table(
            table.filter(pc.invert(pc.field("key").isin(keys))),
            place / "anew.parquet",
            compression="zstd",
        )
    anew_s = time.perf_counter() - started
    written, every = (sum(path.stat().st_size for path in paths) for paths in (touched, before))
    share = f"{len(touched)} of {SHARDS} shards, {written / 1e6:.1f} MB of {every / 1e6:.1f}"
    print(f"{ERASED} of {rows:,} rows erased in {erased_s:.2f} s: {share}")
    print(f"writing everything anew takes {anew_s:.2f} s, and neither searches nor verifies")
    return {
        "erasure_shards_touched": (float(len(touched)), "<=", ERASED),
        "erasure_bytes_share": (written / every, "<=", 0.4),
    }


def killed(options: argparse.Namespace, place: Path) -> dict[str, Any]:
    """A run that is killed at half-way, and the one that finishes it, beside one that nobody
    disturbs; by the demonstration's model.
    """
    options = argparse.Namespace(**{**vars(options), "checkpoint": None})
    whole_s = _command(options, place / "undisturbed", None)
    first_s = _command(options, place / "disturbed", whole_s / 2)
    second_s = _command(options, place / "disturbed", None)
    print(
        f"undisturbed {whole_s:.1f} s; killed after {first_s:.1f} s and finished in "
        f"{second_s:.1f} s (each start costs its imports)"
    )
    return {"resume_overhead": ((first_s + second_s) / whole_s, "<=", 1.5)}


def _command(options: argparse.Namespace, place: Path, kill_after_s: float | None) -> float:
    started = time.perf_counter()
    command = [sys.executable, "-m", "pipeline.run", *settings(options, place)]
    running = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        if running.wait(kill_after_s):
            raise SystemExit(f"the run failed: {' '.join(command)}")
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    return time.perf_counter() - started


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="a smaller dataset and no killed run: under a minute"
    )
    parser.add_argument(
        "--input",
        default=str(CONFIGS / "demo" / "crawl.warc.gz"),
        metavar="PATTERN",
        help="archives with pictures",
    )
    parser.add_argument(
        "--checkpoint", metavar="FILE", help="weights of ViT-B-32, random ones will do"
    )
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="of the dataset that is erased from"
    )
    options = parser.parse_args()
    print(f"{cpu()}, {os.cpu_count()} cores; {options.input}")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        goals = rule_changed(options, place / "rule")
        goals |= erasure(place, 64_000 if options.quick else options.rows)
        if not options.quick:
            goals |= killed(options, place)
    for name, (value, comparison, target) in goals.items():
        print(f"goal {name} {value:.3g} {comparison} {target}")


if __name__ == "__main__":
    main()

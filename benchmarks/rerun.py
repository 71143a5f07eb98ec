"""Measures what changes cost: a run with another rule, an erasure, a run that was killed.

    python -m benchmarks.rerun [--quick] [--input PATTERN] [--checkpoint FILE] [--rows N]

Runs read PATTERN (the demonstration crawl by default), take pictures from the archive, and score
with ViT-B-32 where a checkpoint is given. Times of the runs are those of the jobs, in one process.
Starting the command takes some seconds more. The erasure takes 10 rows out of a made-up dataset of
N rows in 32 shards, beside a loop that writes every shard anew.
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

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.machine import Goals, cpu, print_goals
from pipeline.commands.adopt import adopt
from pipeline.commands.erase import main as erase
from pipeline.commands.run import make_parser
from pipeline.orchestrate.command import prepare
from pipeline.orchestrate.config_file import CONFIGS
from pipeline.orchestrate.stages import Run

DEMO_MODEL = f"{{m: {{architecture: 'local-dir:{CONFIGS}/demo/clip', demo: true}}}}"
SHARDS = 32
ERASED_ROWS = 10
SEED = 7


def run_arguments(options: argparse.Namespace, folder: Path) -> list[str]:
    """Return the command's arguments for a run that publishes pairs of any similarity."""
    model = DEMO_MODEL
    if options.checkpoint:
        model = f"{{m: {{architecture: ViT-B-32, pretrained: {options.checkpoint}}}}}"
    settings = [
        f"score.models={model}",
        "score.routes={en: m, multi: m, nolang: m}",
        "fetch.source=archive",
        "score.detect_margin=0",
        "filters.rules.similarity.thresholds={en: -1, multi: -1, nolang: -1}",
        "extract.buckets=16",
        "publish.max_quarantine=1",
    ]
    arguments = ["--input", options.input]
    arguments += ["--output", str(folder / "out")]
    arguments += ["--work", str(folder / "work")]
    arguments += ["--direct_num_workers=1"]
    for setting in settings:
        arguments += ["--set", setting]
    return arguments


def run(arguments: Sequence[str]) -> float:
    """Run in this process; return the seconds of the jobs."""
    options, beam_arguments = make_parser().parse_known_args(arguments)
    plan, engine = prepare(options, beam_arguments)
    started = time.perf_counter()
    Run(plan, engine).execute()
    return time.perf_counter() - started


def finished_at(folder: Path) -> dict[str, float]:
    """Return when each stage result was finished: folder of the result -> seconds since 1970."""
    times = {}
    for path in folder.glob("work/*/*/manifest.json"):
        times[str(path.parent)] = json.loads(path.read_text())["finished"]
    return times


def rule_changed(options: argparse.Namespace, folder: Path) -> Goals:
    """Measure a whole run, and a second one with another rule."""
    arguments = run_arguments(options, folder)
    whole_s = run(arguments)
    before = finished_at(folder)
    again_s = run([*arguments, "--set", "filters.rules.image_size.min_side=40"])
    stages_run = []
    for result, at in finished_at(folder).items():
        if before.get(result) != at:
            stages_run.append(Path(result).parent.name)
    print(f"whole run {whole_s:.1f} s, with another rule {again_s:.2f} s: {', '.join(stages_run)}")
    return {
        "rerun_times_faster": (whole_s / again_s, ">=", 50),
        "rerun_requests": (float(stages_run.count("fetch")), "<=", 0),
        "rerun_forwards": (float(stages_run.count("score")), "<=", 0),
    }


def make_dataset(folder: Path, rows: int) -> list[str]:
    """Write shards with the columns that erasure reads; return the keys of rows to erase.

    These rows lie in different shards.
    """
    random = Random(SEED)
    first_keys: list[str] = []
    (folder / "dataset").mkdir(parents=True)
    number = rows // SHARDS
    for shard in range(SHARDS):
        keys = [f"{random.getrandbits(128):032x}" for _ in range(number)]
        path = folder / "dataset" / f"part-{shard:05d}.parquet"
        pq.write_table(_shard(shard, keys), path, compression="zstd")
        first_keys += keys[:1]
    return random.sample(first_keys, ERASED_ROWS)


def _shard(shard: int, keys: Sequence[str]) -> pa.Table:
    number = len(keys)
    return pa.table(
        {
            "URL": [f"https://host{i % 5000}.example/{shard}/{i}.jpg" for i in range(number)],
            "TEXT": [
                f"a caption of some words, number {i} of shard {shard}" for i in range(number)
            ],
            "similarity": np.linspace(0.28, 0.4, number),
            "key": keys,
            "page_url": [f"https://site{i % 3000}.example/page/{i}" for i in range(number)],
            "sha256": [key * 2 for key in keys],
            "md5": keys,
            "pdq": [key[::-1] * 2 for key in keys],
        }
    )


def erasure(folder: Path, rows: int) -> Goals:
    """Measure an erasure of a few rows out of many, beside writing everything anew."""
    dataset = folder / "made"
    keys = make_dataset(dataset, rows)
    adopt(str(dataset), {})
    requests = folder / "requests.jsonl"
    requests.write_text("".join(json.dumps({"key": key}) + "\n" for key in keys))
    written_at = {path: path.stat().st_mtime_ns for path in dataset.rglob("*.parquet")}
    started = time.perf_counter()
    status = erase(["--dataset", str(dataset), "--requests", str(requests)])
    erased_s = time.perf_counter() - started
    assert status == 0
    touched = [path for path, at in written_at.items() if path.stat().st_mtime_ns != at]
    anew_s = _write_anew(list(written_at), keys, folder / "anew.parquet")
    touched_bytes = sum(path.stat().st_size for path in touched)
    all_bytes = sum(path.stat().st_size for path in written_at)
    share = (
        f"{len(touched)} of {SHARDS} shards, {touched_bytes / 1e6:.1f} MB of {all_bytes / 1e6:.1f}"
    )
    print(f"{ERASED_ROWS} of {rows:,} rows erased in {erased_s:.2f} s: {share}")
    print(f"writing everything anew takes {anew_s:.2f} s, and neither searches nor verifies")
    return {
        "erasure_shards_touched": (float(len(touched)), "<=", ERASED_ROWS),
        "erasure_bytes_share": (touched_bytes / all_bytes, "<=", 0.4),
    }


def _write_anew(paths: Sequence[Path], keys: Sequence[str], output: Path) -> float:
    """Write every shard without some rows; return the seconds."""
    started = time.perf_counter()
    is_kept = pc.invert(pc.field("key").isin(keys))
    for path in paths:
        pq.write_table(pq.read_table(path).filter(is_kept), output, compression="zstd")
    return time.perf_counter() - started


def killed(options: argparse.Namespace, folder: Path) -> Goals:
    """Measure a run that is killed half-way and then finished, beside an undisturbed one.

    Both use the demonstration's model.
    """
    options = argparse.Namespace(**{**vars(options), "checkpoint": None})
    whole_s = _run_command(options, folder / "undisturbed", None)
    first_s = _run_command(options, folder / "disturbed", whole_s / 2)
    second_s = _run_command(options, folder / "disturbed", None)
    print(
        f"undisturbed {whole_s:.1f} s; killed after {first_s:.1f} s and finished in "
        f"{second_s:.1f} s (each start costs its imports)"
    )
    return {"resume_overhead": ((first_s + second_s) / whole_s, "<=", 1.5)}


def _run_command(options: argparse.Namespace, folder: Path, kill_after_s: float | None) -> float:
    """Run the command, and kill it after some seconds if these are given; return the seconds."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "pipeline.run", *run_arguments(options, folder)]
    # A session of its own, so that its workers can be killed with it.
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
    """Measure, and print the goals."""
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
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        goals = rule_changed(options, folder / "rule")
        goals |= erasure(folder, 64_000 if options.quick else options.rows)
        if not options.quick:
            goals |= killed(options, folder)
    print_goals(goals)


if __name__ == "__main__":
    main()

"""Work on shards is the same in this process and in a job, and so is what is said of its errors."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from pairsieve.records.outcome import Counted
from pairsieve.storage.progress import read_progress
from pipeline.orchestrate.engine import Engine, Interrupted, JobFailed
from pipeline.orchestrate.shards_job import run_over_shards
from transforms.plumbing.shard_work import MAX_RESULTS, ShardWork, work_here

RESULT = "result.json"


def make_lengths():
    return lengths


def lengths(shard):
    if shard == "broken.parquet":
        raise ValueError("no length")
    yield {shard: len(shard)}
    yield Counted("file", "kept")


def merge(several):
    return {shard: length for each in several for shard, length in each.items()}


def write(result, folder):
    Path(folder, RESULT).write_text(json.dumps(result))


def work_on(shards, folder, workers):
    work = ShardWork("Measure", str(folder), make_lengths, merge, partial(write, folder=folder))
    engine = Engine((f"--direct_num_workers={workers}",))
    run_over_shards(engine, "run/lengths", shards, work, bars=False)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_of_all_shards_are_put_together(workers, tmp_path):
    work_on(["a", "bb", "ccc"], tmp_path, workers)
    assert json.loads((tmp_path / RESULT).read_text()) == {"a": 1, "bb": 2, "ccc": 3}


@pytest.mark.parametrize("workers", [1, 2])
def test_without_a_shard_there_is_an_empty_result(workers, tmp_path):
    work_on([], tmp_path, workers)
    assert json.loads((tmp_path / RESULT).read_text()) == {}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_names_job_step_shard_and_line(workers, tmp_path):
    with pytest.raises(JobFailed) as failed:
        work_on(["a", "broken.parquet"], tmp_path, workers)
    line = lengths.__code__.co_firstlineno + 2
    assert str(failed.value) == (
        f"lengths: Measure: ValueError: no length (in lengths at {__file__}:{line}, "
        "working on broken.parquet)"
    )


def break_in_loading():
    raise LookupError("no list")


def break_in_merge(several):
    raise IndexError("no result")


def break_in_writing(result):
    raise TypeError("no text")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"make": break_in_loading}, "LookupError: no list (in break_in_loading"),
        ({"merge": break_in_merge}, "IndexError: no result (in break_in_merge"),
        ({"write": break_in_writing}, "TypeError: no text (in break_in_writing"),
    ],
    ids=["make", "merge", "write"],
)
def test_an_error_outside_of_a_shard_names_its_place(broken, said, workers, tmp_path):
    whole = {"make": make_lengths, "merge": merge, "write": partial(write, folder=str(tmp_path))}
    work = ShardWork("Measure", str(tmp_path), **(whole | broken))
    engine = Engine((f"--direct_num_workers={workers}",))
    with pytest.raises(JobFailed) as failed:
        run_over_shards(engine, "run/lengths", ["a"], work, bars=False)
    assert str(failed.value).startswith("lengths: ")
    assert said in str(failed.value)


def test_results_are_put_together_on_the_way(tmp_path):
    """All of a thousand shards at once would fill the memory."""
    at_once = []

    def merge_few(several):
        at_once.append(len(several))
        return merge(several)

    written = partial(write, folder=str(tmp_path))
    work = ShardWork("Measure", str(tmp_path), make_lengths, merge_few, written)
    shards = [f"{number}.parquet" for number in range(100)]
    work_here(work, shards)
    assert max(at_once) <= MAX_RESULTS
    assert len(json.loads((tmp_path / RESULT).read_text())) == 100


def test_who_stops_the_work_is_told_that_nothing_goes_on(tmp_path):
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="nothing goes on running"):
        Engine(("--direct_num_workers=1",)).do_here(stop, "run/lengths/Measure")


def test_progress_is_written_in_this_process_too(tmp_path, monkeypatch):
    monkeypatch.setattr("pairsieve.storage.progress.WRITE_EVERY_S", 0)
    seen = []

    def write_progress(result, folder):
        seen.append(read_progress(folder).outcomes)

    folder = str(tmp_path)
    work = ShardWork("Measure", folder, make_lengths, merge, partial(write_progress, folder=folder))
    run_over_shards(Engine(("--direct_num_workers=1",)), "run/l", ["a", "bb"], work, bars=False)
    assert seen == [{"file kept": 2}]


def test_little_work_needs_no_beam(demo_run, tmp_path):
    """Beam takes longer to load than a small dataset to search."""
    requests = tmp_path / "requests.jsonl"
    requests.write_text('{"domain": "shapes.example"}\n')
    erase = ["--dataset", str(demo_run.output), "--requests", str(requests), "--dry-run"]
    code = (
        "import sys\nfrom pipeline.commands.erase import main\n"
        f"assert main({erase!r}) == 0\nassert 'apache_beam' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

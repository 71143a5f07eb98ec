"""Runs that are killed at any moment: the next one finishes, asks for nothing twice that is
settled, and gives the same rows.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from random import Random
from urllib.parse import urlsplit

import psutil
import pyarrow.parquet as pq
import pytest

from pairsieve.storage import parts
from pairsieve.storage.sealed import read_sealed
from tests.support.demo_on_site import write_demo_crawl
from tests.support.killing import KILLED
from tests.support.paths import REPOSITORY
from tests.support.web_crawl import web_settings

# Shares of a run's changes of the disk: two kills while pictures are fetched, one later.
KILLS_IN_SUITE, PAGES_IN_SUITE = (0.31, 0.34, 0.6), 40
KILLS_IN_SOAK, SEEDS_IN_SOAK = 20, range(1, 6)
SOAK = [pytest.mark.soak, pytest.mark.timeout(1800)]


def arguments_of(site, crawl, folder, key_file, *more):
    settings = [
        *web_settings(site),
        "fetch.min_interval_s=0.05",
        f"publish.key_file={key_file}",
        "extract.part_rows=40",
        "extract.buckets=4",
    ]
    folders = ["--output", str(folder / "out"), "--work", str(folder / "work")]
    set_options = [f"--set={setting}" for setting in settings]
    return ["--input", str(crawl), *folders, *set_options, "--direct_num_workers=1", *more]


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.run", *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(commands, folder, arguments) -> None:
    """Run to the end, without the start of a process: it takes longer than such a run."""
    ran = commands(["run", *arguments], folder)
    assert ran["status"] == 0, ran


def kill(run) -> None:
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()


def rows(folder) -> list[dict]:
    """Every published row but for the times of fetching, and every ledger entry."""
    paths = [*sorted(folder.glob("out/*/*.parquet")), *sorted(folder.glob("out/dataset/*/*"))]
    entries: list[dict] = []
    for path in paths:
        table = pq.read_table(path)
        if "fetched_at" in table.column_names:
            table = table.drop_columns(["fetched_at"])
        entries += table.to_pylist()
    return entries


def finished_parts(folder) -> set[str]:
    return {str(path) for path in folder.glob("work/*/*/part-*.parquet")}


def settled_paths(folder) -> set[str]:
    """Paths of pictures that no later run has a reason to ask for.

    They are in finished parts, or in the journal of parts that are not finished.
    """
    urls: set[str] = set()
    for fetched in folder.glob("work/fetch/*/part-*.parquet"):
        (extracted,) = folder.glob(f"work/extract/*/{fetched.name}")
        pairs = zip(
            pq.read_table(extracted)["url"].to_pylist(),
            pq.read_table(fetched)["status"].to_pylist(),
            strict=True,
        )
        urls |= {url for url, status in pairs if status == "ok"}
    for journal in folder.glob("work/fetch/*/journal/*.parquet"):
        urls |= set(read_sealed(str(journal))["url"].to_pylist())
    return {urlsplit(url).path for url in urls}


def random_kills(seed: int) -> list[float]:
    random = Random(seed)
    return [random.uniform(0.25, 0.75) for _ in range(KILLS_IN_SOAK)]


@pytest.mark.parametrize(
    ("pages", "kills"),
    [
        pytest.param(PAGES_IN_SUITE, KILLS_IN_SUITE, id="suite"),
        *(
            pytest.param(None, random_kills(seed), id=f"soak-{seed}", marks=SOAK)
            for seed in SEEDS_IN_SOAK
        ),
    ],
)
def test_runs_that_are_killed(pages, kills, commands, site, key_file, tmp_path):
    """Each kill comes before a change of the disk, at a share of the changes of a whole run."""
    crawl = tmp_path / "crawl.warc.gz"
    write_demo_crawl(site, crawl, pages)
    whole = ["run", *arguments_of(site, crawl, tmp_path / "whole", key_file)]
    made = commands(whole, tmp_path / "whole")
    assert made["status"] == 0, made
    expected, once = rows(tmp_path / "whole"), site.asked_beside_files
    assert len(once) > 50
    assert len(expected) > 50
    assert set(once.values()) == {1}
    kills_left = list(kills)
    number_of_folders = 0
    while kills_left:
        folder = tmp_path / f"killed-{number_of_folders}"
        number_of_folders += 1
        asked = Counter[str]()
        status = KILLED
        # Run after run in one folder, until one of them gets to its end.
        while status == KILLED:
            site.asked.clear()
            kill_at = int(made["changes"] * kills_left[0]) if kills_left else 0
            parts, settled = finished_parts(folder), settled_paths(folder)
            ran = commands(["run", *arguments_of(site, crawl, folder, key_file)], folder, kill_at)
            status = ran["status"]
            if status == KILLED:
                kills_left.pop(0)
            assert finished_parts(folder) >= parts, "finished parts stay"
            assert not settled & site.asked_beside_files.keys(), "what is settled is not asked for"
            asked += site.asked_beside_files
        assert status == 0, ran
        assert rows(folder) == expected
        assert asked.keys() == once.keys()


@pytest.fixture
def crawl(site, tmp_path):
    path = tmp_path / "crawl.warc.gz"
    write_demo_crawl(site, path, PAGES_IN_SUITE)
    return path


def test_a_part_that_was_begun_does_not_ask_again(commands, site, crawl, key_file, tmp_path):
    """One part holds everything, and is slow."""
    slow = ["extract.part_rows=4000", "extract.buckets=1", "fetch.min_interval_s=0.1"]
    arguments = arguments_of(
        site, crawl, tmp_path, key_file, *(f"--set={setting}" for setting in slow)
    )
    run = start(*arguments)
    deadline = time.monotonic() + 200
    while len(settled_paths(tmp_path)) <= 30 and time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.02)
    kill(run)
    settled = settled_paths(tmp_path)
    assert len(settled) > 30
    assert not list(tmp_path.glob("work/fetch/*/part-*"))
    site.asked.clear()
    finish(commands, tmp_path, arguments)
    assert not settled & site.asked_beside_files.keys()
    assert not list(tmp_path.glob("work/fetch/*/journal"))


def test_a_killed_worker_fails_the_run_and_the_next_one_finishes(
    commands, site, crawl, key_file, tmp_path
):
    arguments = arguments_of(site, crawl, tmp_path, key_file)
    run = start(*arguments, "--direct_num_workers=2")
    deadline = time.monotonic() + 200
    while len(site.asked_beside_files) < 20 and time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.02)
    workers = [
        child
        for child in psutil.Process(run.pid).children(recursive=True)
        if "sdk_worker" in " ".join(child.cmdline())
    ]
    assert workers
    for worker in workers[:1]:
        worker.kill()
    said = run.communicate(timeout=250)[1].decode()
    assert run.returncode == 1
    assert "pairsieve: the run failed: fetch: a worker process died" in said
    assert "Traceback" not in said
    settled = finished_parts(tmp_path)
    finish(commands, tmp_path, arguments)
    assert settled <= finished_parts(tmp_path)
    assert len(rows(tmp_path)) > 50


def test_what_a_killed_writer_left_can_be_read(tmp_path):
    from pairsieve.storage.journal import salvaged

    with parts.write_pictures(str(tmp_path), "part-00000-0000") as writer:
        for n in range(5):
            writer.add(f"{n:064x}", bytes([n]) * 10_000)
        (cut_off,) = tmp_path.glob("*.tmp")
        content = cut_off.read_bytes()
    (tmp_path / "part-00000-0000.arrow.abc.tmp").write_bytes(content[:-100])
    found = salvaged(str(tmp_path), "part-00000-0000")
    assert 1 <= len(found) <= 5
    assert all(value == bytes([int(name, 16)]) * 10_000 for name, value in found.items())
    assert salvaged(str(tmp_path), "part-00000-0001") == {}

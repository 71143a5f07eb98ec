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

import psutil
import pyarrow.parquet as pq
import pytest

from pairsieve.storage import parts
from tests.support.paths import REPOSITORY

MOMENTS, SEED = 20, 8


def start(site, demo_on_site, folder, key_file, *arguments):
    settings = [
        "fetch.source=web", "fetch.contact=https://example.org/bot", f"fetch.ports=[{site.port}]",
        "fetch.allow_networks=[127.0.0.1/32]",
        "fetch.min_interval_s=0.02", f"publish.key_file={key_file}", "extract.part_rows=40",
        "extract.buckets=4",
    ]  # fmt: skip
    flags = [argument for setting in settings for argument in ("--set", setting)]
    command = [
        sys.executable, "-m", "pipeline.run", "--input", str(demo_on_site), "--output", str(folder / "out"), "--work", str(folder / "work"), *flags,
        *(arguments or ("--direct_num_workers=1",)),
    ]  # fmt: skip
    return subprocess.Popen(
        command,
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(run) -> None:
    said = run.communicate(timeout=200)[1].decode()
    assert run.returncode == 0, said


def kill(run) -> None:
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()


def rows(folder) -> list[dict]:
    """Every published row but for the times of fetching, and every ledger entry."""
    tables = [
        pq.read_table(path)
        for path in sorted(folder.glob("out/*/*.parquet"))
        + sorted(folder.glob("out/dataset/*/*.parquet"))
    ]
    return [
        row
        for table in tables
        for row in (
            table.drop_columns(["fetched_at"]) if "fetched_at" in table.column_names else table
        ).to_pylist()
    ]


def asked_of(site) -> Counter:
    return site.asked_beside_files


@pytest.mark.timeout(900)
def test_twenty_kills(site, demo_on_site, key_file, tmp_path):
    begun = time.monotonic()
    finish(start(site, demo_on_site, tmp_path / "whole", key_file))
    length_s = time.monotonic() - begun
    expected, once = rows(tmp_path / "whole"), asked_of(site)
    assert len(expected) > 150
    assert set(once.values()) == {1}
    random, folder, number = Random(SEED), 0, 0
    site.asked.clear()
    while number < MOMENTS:
        place = tmp_path / f"killed-{folder}"
        run = start(site, demo_on_site, place, key_file)
        try:
            run.communicate(timeout=random.uniform(0.25, 0.75) * length_s)
        except subprocess.TimeoutExpired:
            settled = len(finished_parts(place))
            kill(run)
            number += 1
            assert len(finished_parts(place)) >= settled, "finished parts stay"
            continue
        assert run.returncode == 0
        check(place, expected, site, once)
        folder += 1
    finish(start(site, demo_on_site, tmp_path / f"killed-{folder}", key_file))
    check(tmp_path / f"killed-{folder}", expected, site, once)


def check(place, expected, site, once) -> None:
    assert rows(place) == expected
    asked = asked_of(site)
    assert asked.keys() == once.keys()
    again = sum(asked.values()) - len(once)
    assert again <= 0.75 * len(once), (
        "what was answered before the last two seconds is not asked for again"
    )
    site.asked.clear()


def finished_parts(place) -> set[str]:
    return {str(path) for path in place.glob("work/*/*/part-*.parquet")}


def test_a_part_that_was_begun_does_not_ask_again(site, demo_on_site, key_file, tmp_path):
    """One part holds everything, and is slow."""
    slow = [
        "--direct_num_workers=1",
        "--set",
        "extract.part_rows=4000",
        "--set",
        "extract.buckets=1",
        "--set",
        "fetch.min_interval_s=0.05",
    ]
    run = start(site, demo_on_site, tmp_path, key_file, *slow)
    deadline = time.monotonic() + 100
    while len(asked_of(site)) < 100 and time.monotonic() < deadline:
        time.sleep(0.02)
    kill(run)
    before = asked_of(site)
    assert len(before) >= 100
    assert not list(tmp_path.glob("work/fetch/*/part-*"))
    site.asked.clear()
    finish(start(site, demo_on_site, tmp_path, key_file, *slow))
    again = [path for path in asked_of(site) if path in before]
    assert len(again) <= 70, (
        "answers of the last two seconds, at twenty a second, and some that were under way"
    )
    assert not list(tmp_path.glob("work/fetch/*/journal"))


def test_a_killed_worker_fails_the_run_and_the_next_one_finishes(
    site, demo_on_site, key_file, tmp_path
):
    run = start(site, demo_on_site, tmp_path, key_file, "--direct_num_workers=2")
    deadline = time.monotonic() + 100
    while len(asked_of(site)) < 20 and time.monotonic() < deadline:
        time.sleep(0.02)
    workers = [
        child
        for child in psutil.Process(run.pid).children(recursive=True)
        if "sdk_worker" in " ".join(child.cmdline())
    ]
    assert workers
    for worker in workers[:1]:
        worker.kill()
    said = run.communicate(timeout=60)[1].decode()
    assert run.returncode == 1
    assert "pairsieve: the run failed: fetch: a worker process died" in said
    assert "Traceback" not in said
    settled = finished_parts(tmp_path)
    finish(start(site, demo_on_site, tmp_path, key_file))
    assert settled <= finished_parts(tmp_path)
    assert len(rows(tmp_path)) > 150


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

"""One writer at a time: on a disk by the kernel, in a store by numbered objects.

Stores are fsspec's memory here; tests/storage/test_stores.py has S3 and Google storage.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from uuid import uuid4

import pytest

from pairsieve.storage import files
from pairsieve.storage.lock import FILE, FOLDER, InUse, one_writer

HOLD = """
import sys, time
from pairsieve.storage.lock import one_writer
with one_writer(sys.argv[1]):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def store():
    folder = f"memory://lock-{uuid4().hex}/ds"
    yield folder
    files.remove_tree(folder)


def holding(folder):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def refused(folder):
    with pytest.raises(InUse, match="another run works there since"), one_writer(str(folder)):
        pass


def test_one_at_a_time_on_a_disk(tmp_path):
    with one_writer(str(tmp_path)):
        refused(tmp_path)
    with one_writer(str(tmp_path)):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_that_was_made_for_the_lock_goes_with_it(tmp_path):
    with one_writer(str(tmp_path / "new")):
        assert (tmp_path / "new" / FILE).exists()
    assert not (tmp_path / "new").exists()


def test_nothing_is_left_when_the_block_raises(tmp_path):
    with pytest.raises(ZeroDivisionError), one_writer(str(tmp_path)):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_another_process_counts_while_it_lives(tmp_path):
    """Whoever is killed lets go at once, also where a process of the same id runs afterwards."""
    other = holding(tmp_path)
    try:
        refused(tmp_path)
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    with one_writer(str(tmp_path)):
        pass


@pytest.mark.parametrize("at", [0.0, 4e9])
def test_no_clock_decides(tmp_path, monkeypatch, at):
    other = holding(tmp_path)
    monkeypatch.setattr(time, "time", lambda: at)
    try:
        os.utime(tmp_path / FILE, (0, 0))
        refused(tmp_path)
    finally:
        other.kill()
        other.wait()
        other.stdout.close()


def test_another_name_of_the_folder_is_the_same_folder(tmp_path):
    (tmp_path / "ds").mkdir()
    (tmp_path / "link").symlink_to("ds")
    with one_writer(str(tmp_path / "ds")):
        refused(tmp_path / "link")


@pytest.mark.parametrize("text", ["", "{", '{"id": "x"}', "null"])
def test_what_a_killed_writer_left_is_passed_over(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with one_writer(str(tmp_path)):
        pass


def test_one_at_a_time_in_a_store(store):
    with (
        one_writer(store, renew_s=0.01),
        pytest.raises(InUse, match="since"),
        one_writer(store, stale_s=30.0),
    ):
        pass
    with one_writer(store):
        pass
    with one_writer(store):
        pass
    assert not files.names_in(files.join(store, FOLDER))


def test_of_two_who_saw_different_things_at_most_one_works(store, monkeypatch):
    """One saw a killed writer's object, the other saw it gone: they create different numbers."""
    with one_writer(store, renew_s=1000.0):
        monkeypatch.setattr("pairsieve.storage.lock._stale_numbers", lambda place, stale_s: [7])
        with pytest.raises(InUse), one_writer(store):
            pass
    assert not files.names_in(files.join(store, FOLDER))


def test_what_nobody_renews_is_taken_over(store):
    with one_writer(store, renew_s=1000.0) as first:
        with one_writer(store, stale_s=0.05) as second:
            second.check()
        first.check()


def test_who_was_taken_over_is_told(store):
    with one_writer(store, renew_s=0.2) as first:
        files.write_text(files.join(store, FOLDER, "000000000002.json"), json.dumps({}))
        deadline = time.monotonic() + 60
        while not first.lost and time.monotonic() < deadline:
            time.sleep(0.01)
        with pytest.raises(InUse, match="taken the folder over"):
            first.check()


def test_of_two_who_create_one_succeeds(store):
    path = files.join(store, "object")
    assert [files.create(path, text) for text in "ab"] == [True, False]
    assert files.read_text(path) == "a"

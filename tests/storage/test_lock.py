from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from storage.lock import STALE_S, InUse, one_writer


def other(folder, **holder):
    place = folder / "locks"
    place.mkdir(exist_ok=True)
    known = {"id": "0", "host": os.uname().nodename, "pid": os.getppid(), "started": 1.0, "renewed": time.time()}
    (place / "0.json").write_text(json.dumps({**known, **holder}))


def test_one_at_a_time(tmp_path):
    with one_writer(str(tmp_path)):
        assert len(list((tmp_path / "locks").iterdir())) == 1
        with pytest.raises(InUse, match="another run works there since"), one_writer(str(tmp_path)):
            pass
    with one_writer(str(tmp_path)):
        pass
    assert not list((tmp_path / "locks").iterdir())


def test_nothing_is_left_when_the_block_raises(tmp_path):
    with pytest.raises(ZeroDivisionError), one_writer(str(tmp_path)):
        raise ZeroDivisionError
    assert not list((tmp_path / "locks").iterdir())


def test_who_came_first_stays(tmp_path):
    other(tmp_path, started=time.time() + 100)
    with one_writer(str(tmp_path)):
        pass


@pytest.mark.parametrize("stale", [{"renewed": 0.0, "host": "elsewhere"}, {"pid": "ended"}])
def test_a_stale_lock_is_passed_over(tmp_path, stale):
    if stale.get("pid") == "ended":
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        stale = {"pid": ended.pid}
    other(tmp_path, **stale)
    with one_writer(str(tmp_path)):
        assert not (tmp_path / "locks" / "0.json").exists()


def test_a_run_on_another_machine_counts_while_it_renews(tmp_path):
    other(tmp_path, host="elsewhere", renewed=time.time() - STALE_S / 2)
    with pytest.raises(InUse, match="on elsewhere"), one_writer(str(tmp_path)):
        pass


def test_a_lock_is_renewed(tmp_path):
    with one_writer(str(tmp_path), renew_s=0.05):
        (path,) = (tmp_path / "locks").iterdir()
        first = json.loads(path.read_text())["renewed"]
        deadline = time.monotonic() + 10
        while json.loads(path.read_text())["renewed"] == first and time.monotonic() < deadline:
            time.sleep(0.02)
        assert json.loads(path.read_text())["renewed"] > first


def test_a_file_that_is_cut_off_is_nobodys(tmp_path):
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "x.json").write_text("{")
    with one_writer(str(tmp_path)):
        pass

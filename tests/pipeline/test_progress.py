from __future__ import annotations

import io
import logging
import time

import pyarrow as pa
import pytest

from pipeline.progress import _duration, reporting
from records.outcome import Tally
from storage import parts
from storage.progress import Progress, read_progress, write_progress


def test_finished_parts_are_told(tmp_path, caplog):
    caplog.set_level(logging.INFO)

    def finish(chunk: int) -> None:
        parts.write_part(str(tmp_path), parts.part_name(0, chunk), pa.table({"a": [1]}), Tally())

    finish(0)
    with reporting("fetch", str(tmp_path), total=4, every_s=0.01):
        finish(1)
        finish(2)
        deadline = time.monotonic() + 10
        while "3 of 4 parts" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "fetch: 3 of 4 parts, about " in caplog.text
    assert "1 of 4 parts" not in caplog.text, "what an earlier run finished is no progress of this one"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (29, "29 s"), (61, "1 min"), (3599, "1 h 0 min"), (9000, "2 h 30 min")])
def test_durations(seconds, text):
    assert _duration(seconds) == text


def test_what_workers_say_is_summed_and_forgotten(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    write_progress(str(tmp_path), "lane-1", Progress({"ok": 1000, "timeout": 7}, 3))
    write_progress(str(tmp_path), "lane-2", Progress({"ok": 500, "http_error": 20}, 2))
    with reporting("fetch", str(tmp_path), total=4, every_s=0.01):
        deadline = time.monotonic() + 10
        while not caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "fetch: 0 of 4 parts, 1,527 answers (" in caplog.text
    assert "/s, http_error 20, timeout 7), 5 hosts waiting" in caplog.text
    assert read_progress(str(tmp_path)) == Progress()


def test_a_terminal_gets_one_line_that_changes(tmp_path, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr("pipeline.progress.LIVE_EVERY_S", 0.01)
    write_progress(str(tmp_path), "lane-1", Progress({"ok": 5}, 0))
    with reporting("fetch", str(tmp_path), total=4):
        deadline = time.monotonic() + 10
        while "5 answers" not in terminal.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert terminal.getvalue().count("\n") == 0
    assert terminal.getvalue().endswith("\r\x1b[K"), "nothing is left of it"

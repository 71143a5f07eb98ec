from __future__ import annotations

import io
import logging
import time
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.records.outcome import Tally
from pairsieve.storage import parts
from pairsieve.storage.progress import Progress, ProgressWriter, read_progress, write_progress
from pipeline.monitoring.progress import Watch, _duration, read_history, reporting, thinned


def watch_of(folder) -> Watch:
    return Watch("fetch", str(folder), 4, before=len(parts.part_names(str(folder))))


def test_finished_parts_are_told(tmp_path, caplog):
    caplog.set_level(logging.INFO)

    def finish(chunk: int) -> None:
        parts.write_part(str(tmp_path), parts.part_name(0, chunk), pa.table({"a": [1]}), Tally())

    finish(0)
    with reporting(watch_of(tmp_path), every_s=0.01):
        finish(1)
        finish(2)
        deadline = time.monotonic() + 120
        while "3 of 4 parts" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "fetch: 3 of 4 parts, about " in caplog.text
    assert "1 of 4 parts, about" not in caplog.text, (
        "what an earlier run finished says nothing of the pace of this one"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (29, "29 s"), (61, "1 min"), (3599, "1 h 0 min"), (9000, "2 h 30 min")],
)
def test_durations(seconds, text):
    assert _duration(seconds) == text


def test_what_workers_say_is_summed_and_forgotten(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    write_progress(str(tmp_path), "lane-1", Progress({"ok": 1000, "timeout": 7}, 3))
    write_progress(str(tmp_path), "lane-2", Progress({"ok": 500, "http_error": 20}, 2))
    with reporting(watch_of(tmp_path), every_s=0.01):
        deadline = time.monotonic() + 120
        while not caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "fetch: 0 of 4 parts, 1,527 answers (" in caplog.text
    assert "/s, http_error 20, timeout 7), 5 hosts waiting" in caplog.text
    assert read_progress(str(tmp_path)) == Progress()


def test_a_terminal_gets_a_bar(tmp_path, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("pipeline.monitoring.progress.LIVE_EVERY_S", 0.01)
    write_progress(str(tmp_path), "lane-1", Progress({"ok": 5}, 0))
    with reporting(watch_of(tmp_path), bars=True):
        deadline = time.monotonic() + 120
        while "5 answers" not in terminal.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "fetch" in terminal.getvalue()
    assert "0/4 parts, 5 answers (" in terminal.getvalue()


def test_outcomes_of_workers_are_told(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    teller = ProgressWriter(str(tmp_path))
    teller.finish(Counter({("page", "kept", ""): 1000}))
    teller.finish(
        Counter({("page", "kept", ""): 200, ("split", "kept", ""): 2, ("page", "dropped", "x"): 3})
    )
    watch = Watch("extract", str(tmp_path), 3, "pieces", ("split kept", "split quarantined"))
    with reporting(watch, every_s=0.01):
        deadline = time.monotonic() + 120
        while not caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "extract: 2 of 3 pieces, 1,200 pages (1,200/s)" in caplog.text
    assert caplog.records[0].progress["done"] == 2  # what `--log json` writes
    assert read_history(str(tmp_path))[-1][1] == 2


def test_a_teller_without_a_folder_says_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    teller = ProgressWriter("")
    teller.report(Counter({("page", "kept", ""): 1}))
    teller.finish(Counter({("page", "kept", ""): 1}))
    assert not list(tmp_path.iterdir())


def test_the_history_of_a_resumed_stage_goes_on(tmp_path):
    (tmp_path / "history.json").write_text("[[10.0, 3], [20.5, 7]]")
    with reporting(watch_of(tmp_path)):
        pass
    history = read_history(str(tmp_path))
    assert history[:2] == [(10.0, 3), (20.5, 7)]
    assert history[-1][0] >= 20.5


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 100)), max_size=30), st.integers(1, 10))
def test_a_long_history_is_thinned(samples, most):
    kept = thinned(samples, most)
    assert len(kept) <= most + 1
    assert kept[-1:] == samples[-1:]
    assert kept == [
        sample
        for at, sample in enumerate(samples)
        if at % (-(-len(samples) // most)) == 0 or at == len(samples) - 1
    ]

from __future__ import annotations

import logging
import time

import pyarrow as pa
import pytest

from pipeline.progress import _duration, reporting
from records.outcome import Tally
from storage import parts


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

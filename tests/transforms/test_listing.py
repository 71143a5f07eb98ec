"""What a job begins with, and the last step: called once, with everything."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from transforms.plumbing.gather import WriteEnd
from transforms.plumbing.listing import ListElements, WithAll


def note(elements: Iterable[int], folder: Path) -> None:
    """Append a line a call."""
    with open(folder / "calls", "a") as stream:
        stream.write(json.dumps(sorted(elements)) + "\n")


def calls(folder: Path, listed: list[int]) -> list[list[int]]:
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        start = pipeline | beam.Impulse()
        doubled = start | ListElements(listed) | beam.Map(lambda number: 2 * number)
        _ = doubled | WithAll(start, partial(note, folder=folder))
    return [json.loads(line) for line in (folder / "calls").read_text().splitlines()]


@pytest.mark.parametrize("listed", [[], [4], [3, 1, 2, 2]])
def test_one_call_gets_all_elements(listed, tmp_path):
    """Whether there are none, one, or several that are spread over workers."""
    assert calls(tmp_path, listed) == [sorted(2 * number for number in listed)]


def test_the_files_of_the_end_are_there_where_nothing_was_counted(tmp_path):
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        start = pipeline | beam.Impulse()
        counts = start | ListElements([])
        _ = counts | WriteEnd(start, str(tmp_path), "problems.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["problems.json", "tally.json"]
    assert json.loads((tmp_path / "tally.json").read_text()) == []

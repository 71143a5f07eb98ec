"""What a job begins with, and the files that its groups leave at its end."""

from __future__ import annotations

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pairsieve.records.outcome import Counted
from pairsieve.storage.job_end import PROBLEMS_FILE, GroupResult, read_tally, write_result
from transforms.plumbing.counting import COUNTS_KEY, Counts, counting
from transforms.plumbing.group_results import WriteGroupResults
from transforms.plumbing.listing import ListElements
from transforms.plumbing.own import kind_of_group, on_own
from transforms.plumbing.packing import PackByKey

KEYS = [("numbers", 0), ("numbers", 1), ("numbers", 2)]


def count(number: int):
    yield Counted("page", "in")
    yield number


def make():
    return count


def is_counts(element) -> bool:
    return isinstance(element, Counts)


def is_of_numbers(element) -> bool:
    return kind_of_group(element) == "numbers"


def add(group) -> GroupResult:
    """Adds up the numbers of a group."""
    key, batches = group
    total = sum(number for batch in batches for number in batch)
    return GroupResult(key, {("image", "kept", ""): total})


def run_job(folder, listed: list[int], repeats: int = 1) -> None:
    pack = PackByKey(
        lambda key: "numbers",
        lambda number: ("numbers", number % 3),
        lambda key, numbers: bytes(numbers),
        all_keys=KEYS,
    )
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        start = pipeline | beam.Impulse()
        numbers = start | ListElements(listed, every_group=True) | "Count" >> counting(make)
        grouped = numbers | "Pack" >> beam.ParDo(pack) | beam.GroupByKey()
        # As a runner does that has lost a worker.
        repeated = grouped | beam.FlatMap(lambda group: [group] * repeats)
        ends = repeated | "Add" >> on_own(is_of_numbers, add)
        _ = ends | WriteGroupResults(str(folder))


@pytest.mark.parametrize("listed", [[], [4], [3, 1, 2, 2]])
@pytest.mark.parametrize("repeats", [1, 2], ids=["once", "repeated"])
def test_every_group_leaves_what_it_counted(listed, repeats, tmp_path):
    """Whether there are no elements, one, or several; and each group counts once, however often
    a runner works on it.
    """
    run_job(tmp_path, listed, repeats)
    write_result(str(tmp_path), [COUNTS_KEY, *KEYS], PROBLEMS_FILE)
    counted = {("page", "in", ""): len(listed), ("image", "kept", ""): sum(listed)}
    assert read_tally(str(tmp_path)) == {key: number for key, number in counted.items() if number}


def test_a_group_that_no_step_worked_on_is_an_error(tmp_path):
    group = (("numbers", 1), [b"\x01"])
    message = r"no step has worked on the group \('numbers', 1\)"
    with pytest.raises(Exception, match=message), beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = pipeline | beam.Create([group]) | WriteGroupResults(str(tmp_path))


def test_a_step_behind_the_shuffle_must_count_by_group(tmp_path):
    message = "counts by bundle; it must count by group"
    with pytest.raises(Exception, match=message), beam.Pipeline(runner=FnApiRunner()) as pipeline:
        _ = (
            pipeline
            | beam.Create([1])
            | counting(make)
            | beam.Filter(is_counts)
            | WriteGroupResults("/no")
        )

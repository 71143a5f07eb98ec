from __future__ import annotations

from functools import partial

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as BeamPipeline
from apache_beam.testing.util import assert_that, equal_to

from pairsieve.records.outcome import Counted, Rejection
from transforms.plumbing.packing import PackByKey
from transforms.plumbing.route import COUNTS, Counts, routed


class Odd(str):
    __slots__ = ()


def work(number: int):
    yield Counted("page", "in")
    if number == 13:
        raise ValueError("words that must not be kept")
    if number < 0:
        yield Rejection("page", "negative", where="f@1")
        return
    yield Odd(number) if number % 2 else number
    yield Counted("page", "kept")


def make(function):
    return function


def merge(several):
    """The sum of counts, and all of their problems."""
    total: dict = {}
    problems: list = []
    for counts in several:
        if not isinstance(counts, Counts):
            continue
        problems += counts.problems
        for key, number in counts.outcomes.items():
            total[key] = total.get(key, 0) + number
    return total, problems


EXPECTED = {
    ("page", "in", ""): 3,
    ("page", "kept", ""): 2,
    ("page", "dropped", "negative"): 1,
    ("page", "quarantined", "error:ValueError"): 1,
}


def test_outcomes_are_routed_and_counted(caplog):
    with BeamPipeline() as pipeline:
        routes = (
            pipeline
            | beam.Create([1, 2, -3, 13])
            | routed(partial(make, work), unit="page", outputs={Odd: "odd", Counts: COUNTS})
        )
        assert_that(routes.main, equal_to([2]), label="main")
        assert_that(routes["odd"], equal_to([Odd(1)]), label="odd")
        merged = routes[COUNTS] | beam.combiners.ToList() | beam.Map(merge)
        expected = (EXPECTED, [("f@1", "page", "negative")])
        assert_that(merged, equal_to([expected]), label="counts")
    assert "words that must not be kept" not in caplog.text
    assert "ValueError at " in caplog.text


def double(number: int):
    yield Counted("image", "kept")
    yield 2 * number


def pack(key, numbers):
    return bytes(numbers)


def unpack(group):
    _, batches = group
    yield Counted("split", "kept")
    yield sorted(number for batch in batches for number in batch)


def test_counts_pass_later_steps_and_shuffles():
    """Each step has one output: results and counts go through it together."""
    pack_all = PackByKey(lambda key: "numbers", lambda number: ("numbers", 0), pack)
    with BeamPipeline() as pipeline:
        first = (
            pipeline
            | beam.Create([1, 2, -3, 13])
            | "First" >> routed(partial(make, work), unit="page")
        )
        second = first | beam.Reshuffle() | "Second" >> routed(partial(make, double), passes=(Odd,))
        numbers = second | beam.Filter(lambda element: not isinstance(element, Odd))
        grouped = numbers | beam.ParDo(pack_all) | beam.GroupByKey()
        third = grouped | "Third" >> routed(partial(make, unpack))
        assert_that(third | beam.Filter(lambda element: isinstance(element, list)), equal_to([[4]]))
        merged = third | beam.combiners.ToList() | beam.Map(merge)
        counted = {("image", "kept", ""): 1, ("split", "kept", ""): 1}
        expected = (EXPECTED | counted, [("f@1", "page", "negative")])
        assert_that(merged, equal_to([expected]), label="counts")


def test_without_a_unit_an_error_stops_the_job():
    with pytest.raises(Exception, match="words that must not be kept"), BeamPipeline() as pipeline:
        _ = pipeline | beam.Create([13]) | routed(partial(make, work))

from __future__ import annotations

from functools import partial

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as BeamPipeline
from apache_beam.testing.util import assert_that, equal_to

from pairsieve.records.outcome import Counted, Rejection
from transforms.plumbing.route import PROBLEMS, TALLY, routed


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


def merge(tallies):
    total: dict = {}
    for tally in tallies:
        for key, number in tally.items():
            total[key] = total.get(key, 0) + number
    return total


def test_outcomes_are_routed_and_counted(caplog):
    with BeamPipeline() as pipeline:
        routes = (
            pipeline
            | beam.Create([1, 2, -3, 13])
            | routed(partial(make, work), unit="page", outputs={Odd: "odd"})
        )
        tally = routes[TALLY] | beam.CombineGlobally(merge).without_defaults()
        expected = {
            ("page", "in", ""): 3,
            ("page", "kept", ""): 2,
            ("page", "dropped", "negative"): 1,
            ("page", "quarantined", "error:ValueError"): 1,
        }
        assert_that(routes.main, equal_to([2]), label="main")
        assert_that(routes["odd"], equal_to([Odd(1)]), label="odd")
        assert_that(routes[PROBLEMS], equal_to([("f@1", "page", "negative")]), label="problems")
        assert_that(tally, equal_to([expected]), label="tally")
    assert "words that must not be kept" not in caplog.text
    assert "ValueError at " in caplog.text


def test_without_a_unit_an_error_stops_the_job():
    with pytest.raises(Exception, match="words that must not be kept"), BeamPipeline() as pipeline:
        _ = pipeline | beam.Create([13]) | routed(partial(make, work))

from __future__ import annotations

from functools import partial
from itertools import chain

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as BeamPipeline
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.records.outcome import Counted, Rejection
from transforms.plumbing.counting import (
    MAX_PROBLEMS,
    Counts,
    counting,
    is_group_of_counts,
    merge_counts,
)
from transforms.plumbing.packing import PackByKey


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


def merge(elements):
    """The sum of the counts among some elements, and all of their problems."""
    merged = merge_counts(element for element in elements if isinstance(element, Counts))
    return merged.outcomes, merged.problems


EXPECTED = {
    ("page", "in", ""): 3,
    ("page", "kept", ""): 2,
    ("page", "dropped", "negative"): 1,
}


def double(number: int):
    yield Counted("image", "kept")
    yield 2 * number


def pack(key, numbers):
    return bytes(numbers)


def unpack(group):
    _, batches = group
    yield Counted("split", "kept")
    yield sorted(number for batch in batches for number in batch)


def counts_in(elements):
    """The counts that passed a shuffle, and those that did not."""
    groups = [several for key, several in filter(is_group_of_counts, elements)]
    return [*chain(*groups), *(one for one in elements if isinstance(one, Counts))]


def test_counts_pass_later_steps_and_shuffles():
    """Each step has one output: results and counts go through it together.

    Of the step behind the shuffle nothing is counted: a runner may repeat a part of its work.
    """
    pack_all = PackByKey(lambda key: "numbers", lambda number: ("numbers", 0), pack)
    with BeamPipeline() as pipeline:
        first = pipeline | beam.Create([1, 2, -3]) | "First" >> counting(partial(make, work))
        second = (
            first | beam.Reshuffle() | "Second" >> counting(partial(make, double), passes=(Odd,))
        )
        numbers = second | beam.Filter(lambda element: not isinstance(element, Odd))
        grouped = numbers | beam.ParDo(pack_all) | beam.GroupByKey()
        third = grouped | "Third" >> counting(partial(make, unpack), without_counts=True)
        assert_that(third | beam.Filter(lambda element: isinstance(element, list)), equal_to([[4]]))
        merged = third | beam.combiners.ToList() | beam.Map(counts_in) | beam.Map(merge)
        counted = {("image", "kept", ""): 1}
        expected = (EXPECTED | counted, [("f@1", "page", "negative")])
        assert_that(merged, equal_to([expected]), label="counts")


def test_an_error_stops_the_job():
    with pytest.raises(Exception, match="words that must not be kept"), BeamPipeline() as pipeline:
        _ = pipeline | beam.Create([13]) | counting(partial(make, work))


problem_lists = st.lists(
    st.tuples(st.sampled_from(["f@1", "f@2", "g@1"]), st.just("page"), st.sampled_from("ab"))
)
counts = st.builds(
    Counts,
    st.dictionaries(st.tuples(*[st.sampled_from("xy")] * 3), st.integers(1, 9)),
    problem_lists,
)


@given(several=st.lists(counts), order=st.randoms(), cut=st.integers(0, 5))
def test_counts_merge_in_any_order_and_grouping(several, order, cut):
    whole = merge_counts(several)
    order.shuffle(several)
    assert merge_counts([merge_counts(several[:cut]), merge_counts(several[cut:])]) == whole
    assert len(whole.problems) <= MAX_PROBLEMS

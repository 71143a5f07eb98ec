"""Who is drawn: sizes add up, probabilities are known, and the same seed draws the same rows."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from pairsieve.audit.sample import NEAR_SHARE, Drawer, allocate, shuffled

SIZES = st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 2_000_000), max_size=7)


@settings(max_examples=50)
@given(SIZES, st.sets(st.sampled_from("abcdefg")), st.integers(0, 5_000))
def test_sizes_add_up_to_the_labels(rows_of, near, labels):
    """So the probabilities of all rows to be drawn, n / N each, add up to the sample size."""
    given_labels = allocate(rows_of, near, labels)
    wanted = min(labels, sum(rows_of.values()))
    assert sum(given_labels.values()) == wanted
    assert all(given_labels[name] <= rows_of[name] for name in rows_of)
    probabilities = sum(
        rows * (given_labels[name] / rows) for name, rows in rows_of.items() if rows
    )
    assert probabilities == pytest.approx(wanted)
    with_rows = [name for name, rows in rows_of.items() if rows]
    if labels >= len(with_rows):
        assert all(given_labels[name] for name in with_rows)


@settings(max_examples=50)
@given(SIZES, st.sets(st.sampled_from("abcdefg")), st.integers(100, 5_000))
def test_no_label_stands_for_many_more_rows_than_one_of_a_plain_sample(rows_of, near, labels):
    rows = sum(rows_of.values())
    if rows <= labels:
        return
    given_labels = allocate(rows_of, near, labels)
    # Of whole numbers, and of one label for each stratum first, a little is lost.
    plain = (1 - NEAR_SHARE) * labels - 2 * len(rows_of)
    for name, number in given_labels.items():
        assert number + 1 >= rows_of[name] / rows * plain


def test_strata_near_a_decision_get_more():
    sizes = allocate({"tagged": 1_000, "nothing": 99_000}, {"tagged"}, 1_000)
    assert sizes == {"tagged": 258, "nothing": 742}


def test_a_small_stratum_is_drawn_whole_and_leaves_the_rest_to_others():
    assert allocate({"tagged": 3, "nothing": 10_000}, {"tagged"}, 100) == {
        "tagged": 3,
        "nothing": 97,
    }


def ids(number: int) -> list[bytes]:
    return [n.to_bytes(16, "big") for n in range(number)]


def drawer(rows, seed=1, max_rows=10):
    made = Drawer(seed, max_rows)
    for row_id in rows:
        made.add("all", row_id)
    return made


def test_the_order_of_reading_makes_no_difference():
    rows = ids(500)
    forth, back = drawer(rows), drawer(reversed(rows))
    assert forth.rows_of == back.rows_of == {"all": 500}
    assert forth.drawn({"all": 7}) == back.drawn({"all": 7})


def test_another_seed_draws_others_and_a_larger_sample_holds_the_smaller():
    rows = ids(500)
    first = drawer(rows).drawn({"all": 10})["all"]
    assert drawer(rows, seed=2).drawn({"all": 10})["all"] != first
    assert drawer(rows).drawn({"all": 4})["all"] == first[:4]


def test_every_set_of_rows_is_as_likely_as_any_other():
    """2 of 5 rows under 3,000 seeds, which are always the same."""
    rows, counted = ids(5), Counter()
    for seed in range(3_000):
        counted[tuple(sorted(drawer(rows, seed, 2).drawn({"all": 2})["all"]))] += 1
    assert set(counted) == set(combinations(rows, 2))
    assert chisquare(list(counted.values())).pvalue > 0.001


def test_the_order_of_showing_depends_on_the_seed_alone():
    rows = ids(50)
    assert shuffled(rows, 1) == shuffled(rows[::-1], 1)
    assert shuffled(rows, 1) not in (rows, shuffled(rows, 2))
    # The first rows that are shown are not those that would be drawn first.
    assert shuffled(rows, 1)[:10] != drawer(rows).drawn({"all": 10})["all"]

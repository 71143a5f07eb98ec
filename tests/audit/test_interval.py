"""Bounds against published values, and against the exact chances of every sample."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from pairsieve.audit.interval import (
    Labelled,
    at_least,
    at_most,
    clopper_pearson,
    horvitz_thompson,
    labels_for,
    missed_of_all,
)

MANY = 10_000_000


def stratum(yes: int, labelled: int, rows: int = MANY, unsure: int = 0) -> Labelled:
    return Labelled("any", rows, labelled, labelled, yes, unsure)


@pytest.mark.parametrize(
    ("yes", "of", "confidence", "low", "high"),
    [
        # NIST/SEMATECH e-Handbook of Statistical Methods, 7.2.4.1
        (4, 20, 0.90, 0.071354, 0.401029),
        # the same as R's binom.test gives them
        (3, 10, 0.95, 0.06673951, 0.6524529),
        (0, 10, 0.95, 0, 0.3084971),
        (10, 10, 0.95, 0.6915029, 1),
    ],
)
def test_clopper_and_pearson(yes, of, confidence, low, high):
    interval = clopper_pearson(stratum(yes, of), confidence)
    assert interval.low == pytest.approx(low, abs=1e-6)
    assert interval.high == pytest.approx(high, abs=1e-6)


@pytest.mark.parametrize(
    ("bound", "labels"),
    # 1 - 0.05 ** (1 / n), the rule of three without its approximation
    [(0.001, 2995), (0.01, 299), (0.05, 59), (0.1, 29)],
)
def test_labels_that_a_bound_takes(bound, labels):
    assert labels_for(bound) == labels
    assert at_most([stratum(0, labels)]) <= bound
    assert at_most([stratum(0, labels - 1)]) > bound


def test_strata_in_proportion_are_as_good_as_one():
    """Nothing was found, and every label stands for as many rows."""
    strata = [stratum(0, 100, 1_000_000), stratum(0, 900, 9_000_000)]
    assert at_most(strata) == pytest.approx(at_most([stratum(0, 1000)]))
    assert at_most(strata) == pytest.approx(1 - 0.05 ** (1 / 1000))


def test_horvitz_and_thompson():
    """Worked by hand: 1/10 of 100 rows and 2/20 + 1 row of 400."""
    estimate = horvitz_thompson([stratum(1, 10, 100), stratum(3, 20, 400)])
    assert estimate.share == pytest.approx((100 * 0.1 + 400 * 0.15) / 500)
    first = 0.2**2 * 0.9 * 0.1 * 0.9 / 9
    second = 0.8**2 * 0.95 * 0.15 * 0.85 / 19
    assert estimate.standard_error == pytest.approx((first + second) ** 0.5)


def test_what_nobody_can_tell_counts_against_us():
    sure, unsure = stratum(1, 100), stratum(1, 100, unsure=2)
    as_yes = stratum(3, 100)
    assert at_most([unsure]) == at_most([as_yes])
    assert clopper_pearson(unsure).high == clopper_pearson(as_yes).high
    assert at_least([unsure]) == at_least([sure])
    assert clopper_pearson(unsure).low == clopper_pearson(sure).low
    assert horvitz_thompson([unsure]).share == 0.01


@pytest.mark.parametrize("strata", [[], [stratum(0, 0)], [stratum(0, 5), stratum(0, 0)]])
def test_without_enough_labels_there_is_no_bound(strata):
    assert at_most(strata) is None
    assert at_least(strata) is None
    assert horvitz_thompson(strata) is None


def test_a_stratum_without_rows_needs_no_label():
    assert at_most([stratum(0, 9), stratum(0, 0, rows=0)]) == at_most([stratum(0, 9)])


def test_where_every_row_was_labelled_nothing_is_left_to_chance():
    whole = [stratum(2, 10, 10), stratum(1, 30, 30)]
    assert at_most(whole) == at_least(whole) == pytest.approx(3 / 40)
    assert clopper_pearson(whole[0]).high == 0.2
    part = [stratum(2, 10, 10), stratum(0, 29, 30)]
    assert at_least(part) == pytest.approx(2 / 40)
    assert at_most(part) < (2 + 30 * 0.11) / 40


def test_what_was_missed_of_all():
    published, dropped = [stratum(0, 1000, 10_000)], [stratum(100, 100, 100)]
    most = at_most(published, 0.975)
    expected = most * 10_000 / (most * 10_000 + 100)
    assert missed_of_all(published, dropped) == pytest.approx(expected)
    assert missed_of_all(published, [stratum(0, 0, 100)]) is None
    assert missed_of_all([stratum(0, 5, 5)], [stratum(0, 5, 5)]) == 0


SIZES = ((6, 3), (9, 4), (5, 5))  # rows and labels of three strata; of the last every row
# Of each stratum: row m has the chances of k labels "yes" where m rows of it are.
CHANCES = {
    (rows, labels): hypergeom.pmf(
        np.arange(labels + 1)[None, :], rows, np.arange(rows + 1)[:, None], labels
    )
    for rows, labels in SIZES
}


@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_bounds_cover_whatever_lies_in_the_strata(confidence):
    """Exactly, over every sample of every population: no chance is in this test."""
    bounds = []
    numbers = list(product(*(range(labels + 1) for _, labels in SIZES)))
    for of_strata in numbers:
        strata = [stratum(k, n, rows) for k, (rows, n) in zip(of_strata, SIZES, strict=True)]
        bounds.append((at_least(strata, confidence), at_most(strata, confidence)))
    low, high = np.array(bounds).T
    truths = list(product(*(range(rows + 1) for rows, _ in SIZES)))
    for truth in truths:
        # chances[k] of each stratum; their products, in the order of `numbers`
        chances = np.ones(1)
        for m, (rows, labels) in zip(truth, SIZES, strict=True):
            chances = np.outer(chances, CHANCES[rows, labels][m]).ravel()
        share = sum(truth) / sum(rows for rows, _ in SIZES)
        assert chances[share <= high + 1e-9].sum() >= confidence, truth
        assert chances[share >= low - 1e-9].sum() >= confidence, truth


@st.composite
def strata(draw):
    made = []
    for _ in range(draw(st.integers(1, 4))):
        labelled = draw(st.integers(1, 200))
        yes = draw(st.integers(0, labelled))
        rows = labelled + draw(st.integers(0, 10_000))
        unsure = draw(st.integers(0, labelled - yes))
        made.append(Labelled("any", rows, labelled, labelled, yes, unsure))
    return made


@settings(max_examples=50)
@given(strata(), st.data())
def test_bounds_are_monotone(made, data):
    """One "yes" more never lowers a bound, and more confidence never narrows it."""
    low, high = at_least(made), at_most(made)
    estimate = horvitz_thompson(made)
    assert 0 <= low <= estimate.share + 1e-9
    assert estimate.share - 1e-9 <= high <= 1 + 1e-9
    assert at_most(made, 0.99) >= high - 1e-9
    assert at_least(made, 0.99) <= low + 1e-9
    at = data.draw(st.integers(0, len(made) - 1))
    changed = made[at]
    if changed.yes + changed.unsure < changed.labelled:
        more = Labelled(
            "any", changed.rows, changed.drawn, changed.labelled, changed.yes + 1, changed.unsure
        )
        with_more = [*made[:at], more, *made[at + 1 :]]
        assert at_most(with_more) >= high - 1e-9
        assert at_least(with_more) >= low - 1e-9

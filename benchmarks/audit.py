"""Whether the bounds of `pairsieve audit` hold, and how many labels they take.

    python benchmarks/audit.py [--quick] [--repeats 1000]

The truth is planted: a made-up dataset of 100,000 published and 30,000 dropped rows has a known
number of missed rows in each stratum. Each repeat draws a sample under another seed, with the code
of the command, and labels it without a mistake. A bound covers when the truth is not above it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import hypergeom

from benchmarks.machine import cpu
from pairsieve.audit.interval import (
    CONFIDENCE,
    Labelled,
    at_least,
    at_most,
    clopper_pearson,
    labels_for,
    missed_of_all,
)
from pairsieve.audit.questions import (
    DROPPED,
    FACE,
    NEAR_A_DECISION,
    NEAR_SCORE,
    NOTHING,
    OTHERWISE,
    TAGGED,
)
from pairsieve.audit.sample import allocate

PUBLISHED = {TAGGED: 800, NEAR_SCORE: 1_500, FACE: 12_000, NOTHING: 85_700}
KEPT_OUT = {DROPPED: 4_000, OTHERWISE: 26_000}
CAUGHT = {DROPPED: 3_000, OTHERWISE: 500}
"""Rows that were kept out of which the question is true."""
RATES = (0.0, 0.0005, 0.005, 0.05)
SPREADS: Mapping[str, Mapping[str, float]] = {
    "near decisions": {TAGGED: 0.3, NEAR_SCORE: 0.3, FACE: 0.2, NOTHING: 0.2},
    "as the rows": {name: rows / sum(PUBLISHED.values()) for name, rows in PUBLISHED.items()},
    "without evidence": {NOTHING: 1.0},
}
"""Where what was missed lies. The last is the worst for the bound: no stratum knows of it."""
PUBLISHED_LABELS, KEPT_OUT_LABELS = 750, 250
REPEATS, QUICK_REPEATS = 1_000, 100
SEED = 20
BOUND = 0.001
MOST_FOUND = 20
"""The bound fails most often where nothing or little is found."""


@dataclass(frozen=True)
class Planted:
    """How many rows of each published stratum were missed."""

    rate: float
    spread: str
    missed: Mapping[str, int]

    @property
    def share(self) -> float:
        return sum(self.missed.values()) / sum(PUBLISHED.values())


@dataclass(frozen=True)
class Coverage:
    """Shares of the repeats in which a bound covered, and the mean bound.

    `strata`: the worst of the strata's own intervals.
    """

    whole: float
    strata: float
    of_all: float
    lowest: float
    mean_bound: float


def planted_cases() -> Iterator[Planted]:
    """Every rate in every spread."""
    total = sum(PUBLISHED.values())
    for rate in RATES:
        for spread in SPREADS if rate else ["as the rows"]:
            yield Planted(rate, spread, _missed(round(rate * total), spread))


def _missed(number: int, spread: str) -> dict[str, int]:
    missed = {
        name: min(PUBLISHED[name], round(number * share)) for name, share in SPREADS[spread].items()
    }
    missed[NOTHING] += number - sum(missed.values())
    return missed


def coverage(planted: Planted, repeats: int, chance: np.random.Generator) -> Coverage:
    """Draw and label again and again, and count how often the truth is within the bounds."""
    sizes = allocate(PUBLISHED, NEAR_A_DECISION, PUBLISHED_LABELS)
    other_sizes = allocate(KEPT_OUT, NEAR_A_DECISION, KEPT_OUT_LABELS)
    missed, caught = sum(planted.missed.values()), sum(CAUGHT.values())
    true_of_all = missed / (missed + caught)
    covered = dict.fromkeys(("whole", "of_all", "lowest"), 0)
    strata = dict.fromkeys(PUBLISHED, 0)
    # Few numbers of "yes" come up again and again.
    interval_of = lru_cache(None)(clopper_pearson)
    bounds = []
    for _ in range(repeats):
        published = _labelled(PUBLISHED, planted.missed, sizes, chance)
        kept_out = _labelled(KEPT_OUT, CAUGHT, other_sizes, chance)
        most, least = at_most(published), at_least(kept_out)
        of_all = missed_of_all(published, kept_out)
        assert most is not None
        assert least is not None
        assert of_all is not None
        bounds.append(most)
        covered["whole"] += planted.share <= most
        covered["of_all"] += true_of_all <= of_all
        covered["lowest"] += caught / sum(KEPT_OUT.values()) >= least
        for stratum in published:
            share = planted.missed.get(stratum.name, 0) / stratum.rows
            interval = interval_of(stratum)
            strata[stratum.name] += interval.low <= share <= interval.high
    return Coverage(
        covered["whole"] / repeats,
        min(strata.values()) / repeats,
        covered["of_all"] / repeats,
        covered["lowest"] / repeats,
        float(np.mean(bounds)),
    )


def _labelled(
    rows_of: Mapping[str, int],
    true_of: Mapping[str, int],
    sizes: Mapping[str, int],
    chance: np.random.Generator,
) -> list[Labelled]:
    """The labels of one sample without replacement: its numbers are hypergeometric."""
    strata = []
    for name, rows in rows_of.items():
        true, size = true_of.get(name, 0), sizes[name]
        yes = int(chance.hypergeometric(true, rows - true, size))
        strata.append(Labelled(name, rows, size, size, yes, 0))
    return strata


def worst_coverage() -> tuple[int, float]:
    """The number of missed rows for which the bound covers least often, and how often it does.

    All of them lie in the stratum without evidence. It is computed from the chances of every
    sample, since among repeats the least lucky would be counted.
    """
    sizes = allocate(PUBLISHED, NEAR_A_DECISION, PUBLISHED_LABELS)
    labels, rows = sizes[NOTHING], PUBLISHED[NOTHING]
    bounds = np.array([_bound_with(yes, sizes) for yes in range(MOST_FOUND)])
    covered = {}
    for missed in range(1, round(bounds[-1] * sum(PUBLISHED.values()))):
        too_low = int(np.searchsorted(bounds, missed / sum(PUBLISHED.values())))
        # The chance of so few "yes" that the bound is below the truth.
        covered[missed] = 1 - float(hypergeom.cdf(too_low - 1, rows, missed, labels))
    worst = min(covered, key=covered.__getitem__)
    return worst, covered[worst]


def _bound_with(yes: int, sizes: Mapping[str, int]) -> float:
    """The bound where so many labels without evidence are "yes", and no others."""
    strata = [
        Labelled(name, rows, sizes[name], sizes[name], yes if name == NOTHING else 0, 0)
        for name, rows in PUBLISHED.items()
    ]
    bound = at_most(strata)
    assert bound is not None
    return bound


def labels_until(bound: float, found_share: float, stratified: bool) -> int:
    """The fewest labels with which the bound is reached, where this share of them is "yes".

    Bisection: more labels of the same kind never raise the bound by more than rounding.
    """
    low, high = 1, sum(PUBLISHED.values())
    while low < high:
        middle = (low + high) // 2
        if _bound_of(middle, found_share, stratified) <= bound:
            high = middle
        else:
            low = middle + 1
    return low


def _bound_of(labels: int, found_share: float, stratified: bool) -> float:
    rows_of = PUBLISHED if stratified else {"all": sum(PUBLISHED.values())}
    sizes = allocate(rows_of, NEAR_A_DECISION, labels)
    strata = []
    for name, rows in rows_of.items():
        # What was missed lies near decisions, where the strata are: there they show it.
        share = found_share
        if stratified:
            lies_here = SPREADS["near decisions"][name]
            share = found_share * lies_here * sum(rows_of.values()) / rows
        yes = round(sizes[name] * min(share, 1.0))
        strata.append(Labelled(name, rows, sizes[name], sizes[name], yes, 0))
    bound = at_most(strata)
    return 1.0 if bound is None else bound


def report(cases: Sequence[Planted], repeats: int) -> Iterator[str]:
    """Both tables, and the goals, line by line."""
    chance = np.random.default_rng(SEED)
    yield f"{PUBLISHED_LABELS} labels of published rows, {repeats:,} repeats"
    yield "| missed | where | whole | worst stratum | of all | caught | mean bound |"
    yield "|---|---|---|---|---|---|---|"
    measured = []
    for planted in cases:
        of_case = coverage(planted, repeats, chance)
        measured.append(of_case)
        yield (
            f"| {planted.share:.3%} | {planted.spread} | {of_case.whole:.3f} | {of_case.strata:.3f} "
            f"| {of_case.of_all:.3f} | {of_case.lowest:.3f} | {of_case.mean_bound:.2%} |"
        )
    yield ""
    yield f"labels of published rows for a bound of {BOUND:.1%}"
    yield "| missed, near decisions | plain sample | stratified |"
    yield "|---|---|---|"
    for share in (0.0, 0.0003, 0.0005):
        plain, stratified = (
            labels_until(BOUND, share, with_strata) for with_strata in (False, True)
        )
        yield f"| {share:.2%} | {plain:,} | {stratified:,} |"
    yield f"by the rule of three: {3 / BOUND:,.0f}; exactly: {labels_for(BOUND):,}"
    # With few repeats the share varies: three standard errors of it.
    allowed = CONFIDENCE - 3 * (CONFIDENCE * (1 - CONFIDENCE) / repeats) ** 0.5
    target = CONFIDENCE if repeats >= REPEATS else round(allowed, 3)
    yield f"goal coverage {min(of_case.whole for of_case in measured):.4f} >= {target}"
    missed, exact = worst_coverage()
    yield f"covers least often where {missed:,} rows without evidence were missed: {exact:.4f}"
    yield f"goal coverage_worst {exact:.4f} >= {CONFIDENCE}"
    yield f"goal coverage_strata {min(of_case.strata for of_case in measured):.4f} >= {target}"
    yield f"goal coverage_of_all {min(of_case.of_all for of_case in measured):.4f} >= {target}"
    yield f"goal coverage_caught {min(of_case.lowest for of_case in measured):.4f} >= {target}"
    yield f"goal labels_for_0.1_percent {labels_until(BOUND, 0.0, stratified=True)} <= 4200"


def main() -> None:
    """Measure, print the tables and the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_REPEATS} repeats")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="samples of each case")
    options = parser.parse_args()
    print(cpu())
    repeats = QUICK_REPEATS if options.quick else options.repeats
    for line in report(list(planted_cases()), repeats):
        print(line, flush=True)


if __name__ == "__main__":
    main()

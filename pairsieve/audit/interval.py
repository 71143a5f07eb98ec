"""Bounds on a share of rows, from the labels of a stratified sample.

Sources:

- one stratum: C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated
  in the case of the binomial", Biometrika 26 (1934).
- the estimate over strata: D. G. Horvitz, D. J. Thompson, "A generalization of sampling without
  replacement from a finite universe", JASA 47 (1952). In a stratum every row has the same
  probability to be drawn, so each label stands for rows / labels rows.
- the bound over strata: W. Hoeffding, "Probability inequalities for sums of bounded random
  variables", JASA 58 (1963), theorem 1. Theorem 4 there says that it holds for sampling without
  replacement too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log, sqrt

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Labelled:
    """The labels of one stratum: `rows` in it, of which some were `drawn` and `labelled`.

    `yes` and `unsure` count labels; all others are "no".
    """

    name: str
    rows: int
    drawn: int
    labelled: int
    yes: int
    unsure: int

    @property
    def share(self) -> float:
        """The share of "yes" among the labels; 0 without labels."""
        return self.yes / self.labelled if self.labelled else 0.0

    @property
    def is_whole(self) -> bool:
        """Whether every row was labelled, so that nothing is left to chance."""
        return self.labelled == self.rows


@dataclass(frozen=True)
class Interval:
    """A share of rows lies between `low` and `high`, both from 0 to 1."""

    low: float
    high: float


def clopper_pearson(labelled: Labelled, confidence: float = CONFIDENCE) -> Interval:
    """The two-sided interval of one stratum.

    "Cannot tell" counts as "yes" in the upper end and as "no" in the lower end: what could not be
    judged may not make the bound smaller.
    """
    from scipy.stats import binomtest

    if not labelled.labelled:
        return Interval(0.0, 1.0)
    if labelled.is_whole:
        return Interval(labelled.share, _share_at_most(labelled))
    ends = []
    for number in (labelled.yes, labelled.yes + labelled.unsure):
        test = binomtest(number, labelled.labelled)
        ends.append(test.proportion_ci(confidence, method="exact"))
    return Interval(float(ends[0].low), float(ends[1].high))


@dataclass(frozen=True)
class Estimate:
    """An unbiased estimate of a share, and its standard error."""

    share: float
    standard_error: float


def horvitz_thompson(strata: Sequence[Labelled]) -> Estimate | None:
    """The share of "yes" in all rows of the strata; None where a stratum has no label.

    The variance of a stratum is (1 - n / N) p (1 - p) / (n - 1), for n labels of N rows of which
    the share p is "yes" (Cochran, "Sampling Techniques", 1977, theorem 3.4). A stratum with one
    label shows no variance.
    """
    known = [stratum for stratum in strata if stratum.rows]
    if not known or not all(stratum.labelled for stratum in known):
        return None
    rows = sum(stratum.rows for stratum in known)
    share = sum(stratum.rows * stratum.share for stratum in known) / rows
    variance = 0.0
    for stratum in known:
        if stratum.labelled > 1:
            not_drawn = 1 - stratum.labelled / stratum.rows
            spread = stratum.share * (1 - stratum.share) / (stratum.labelled - 1)
            variance += (stratum.rows / rows) ** 2 * not_drawn * spread
    return Estimate(share, sqrt(variance))


def at_most(strata: Sequence[Labelled], confidence: float = CONFIDENCE) -> float | None:
    """The highest share of all rows of the strata that the labels allow.

    None where a stratum has rows and no label. "Cannot tell" counts as "yes". One stratum has the
    bound of Clopper and Pearson. For several, each label stands for rows / labels rows, and
    `_highest_mean` bounds the sum. Strata of which every row was labelled are known exactly; only
    the others are left to chance.
    """
    known = _enough(strata)
    if known is None:
        return None
    rows = sum(stratum.rows for stratum in known)
    certain = sum(stratum.rows * _share_at_most(stratum) for stratum in known if stratum.is_whole)
    sampled = [stratum for stratum in known if not stratum.is_whole]
    if not sampled:
        return certain / rows
    sampled_rows = sum(stratum.rows for stratum in sampled)
    if len(sampled) == 1:
        number = sampled[0].yes + sampled[0].unsure
        share = _one_sided_high(number, sampled[0].labelled, confidence)
    else:
        share = _stratified(sampled, [s.yes + s.unsure for s in sampled], confidence, highest=True)
    return (certain + min(share, 1.0) * sampled_rows) / rows


def at_least(strata: Sequence[Labelled], confidence: float = CONFIDENCE) -> float | None:
    """The lowest share of all rows of the strata that the labels allow.

    "Cannot tell" counts as "no". Otherwise as `at_most`.
    """
    known = _enough(strata)
    if known is None:
        return None
    rows = sum(stratum.rows for stratum in known)
    certain = sum(stratum.yes for stratum in known if stratum.is_whole)
    sampled = [stratum for stratum in known if not stratum.is_whole]
    if not sampled:
        return certain / rows
    sampled_rows = sum(stratum.rows for stratum in sampled)
    if len(sampled) == 1:
        # What is lowest for "yes" is highest for everything else.
        others = sampled[0].labelled - sampled[0].yes
        share = 1 - _one_sided_high(others, sampled[0].labelled, confidence)
    else:
        share = _stratified(sampled, [s.yes for s in sampled], confidence, highest=False)
    return (certain + share * sampled_rows) / rows


def missed_of_all(
    published: Sequence[Labelled], kept_out: Sequence[Labelled], confidence: float = CONFIDENCE
) -> float | None:
    """Of everything that the question is about, the highest share that was published.

    None without enough labels. Both bounds must hold at once, so each may fail in half of the cases
    in which the result may fail (Bonferroni).
    """
    each = 1 - (1 - confidence) / 2
    most = at_most(published, each)
    least = at_least(kept_out, each)
    if most is None or least is None:
        return None
    missed = most * sum(stratum.rows for stratum in published)
    caught = least * sum(stratum.rows for stratum in kept_out)
    return missed / (missed + caught) if missed + caught else 0.0


def labels_for(bound: float, confidence: float = CONFIDENCE) -> int:
    """How many labels, all "no", make this bound on a plain sample.

    The smallest n with (1 - bound) ** n <= 1 - confidence: 2,995 for 0.1 % and 95 %, which the rule
    of three (Hanley and Lippman-Hand, JAMA 249, 1983) gives as 3 / 0.001.
    """
    return ceil(log(1 - confidence) / log(1 - bound))


def _enough(strata: Sequence[Labelled]) -> list[Labelled] | None:
    """The strata that have rows; None where there is none, or one of them has no label."""
    known = [stratum for stratum in strata if stratum.rows]
    if not known or not all(stratum.labelled for stratum in known):
        return None
    return known


def _share_at_most(stratum: Labelled) -> float:
    return (stratum.yes + stratum.unsure) / stratum.labelled


def _one_sided_high(number: int, of: int, confidence: float) -> float:
    from scipy.stats import binomtest

    test = binomtest(number, of, alternative="less")
    return float(test.proportion_ci(confidence, method="exact").high)


def _stratified(
    strata: Sequence[Labelled], numbers: Sequence[int], confidence: float, highest: bool
) -> float:
    """A bound on the share of all rows of the strata, by Hoeffding's theorem 1.

    A label of a stratum counts rows of the stratum / its labels / rows of all. Divided by the
    largest of these weights, every label is a number between 0 and 1, and their expected sum over
    all labels is the share that is looked for, divided by the same weight.
    """
    rows = sum(stratum.rows for stratum in strata)
    labels = sum(stratum.labelled for stratum in strata)
    weights = [stratum.rows / stratum.labelled / rows for stratum in strata]
    heaviest = max(weights)
    pairs = zip(weights, numbers, strict=True)
    mean = sum(weight / heaviest * number for weight, number in pairs) / labels
    limit = _highest_mean if highest else _lowest_mean
    return limit(min(mean, 1.0), log(1 / (1 - confidence)) / labels) * labels * heaviest


def _highest_mean(mean: float, divergence: float) -> float:
    """The highest expected value from which `mean` has at most this divergence (Kullback-Leibler).

    The theorem: n numbers between 0 and 1 with the expected mean m have a mean of at most x < m
    with a chance of at most exp(-n kl(x, m)).
    """
    from scipy.optimize import brentq

    # Where the answer is nearer to 1 than this, rounding hides it.
    nearly_all = 1.0 - 1e-12
    if mean >= nearly_all or _divergence(mean, nearly_all) <= divergence:
        return 1.0
    return float(brentq(lambda value: _divergence(mean, value) - divergence, mean, nearly_all))


def _lowest_mean(mean: float, divergence: float) -> float:
    return 1 - _highest_mean(1 - mean, divergence)


def _divergence(mean: float, expected: float) -> float:
    from scipy.special import rel_entr

    return float(rel_entr(mean, expected) + rel_entr(1 - mean, 1 - expected))

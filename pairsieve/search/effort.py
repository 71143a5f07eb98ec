"""Measure how much a query has to read of the lists, so that it finds what is promised.

The codes of the lists rank rows roughly. A row that is truly near is found when its list is read,
and when its code is among the best ones, whose rows are compared by their whole vectors. So one
look at the ranking for a number of lists tells the recall for every number of compared rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pairsieve.search.sources import Vectors
from pairsieve.search.vectors import COMPARED, EVERY_VECTOR, Effort, VectorIndex

MEASURED_QUERIES, NEAREST = 200, 10  # queries, and neighbours of each, that measure recall
# 64 MB of vectors with 512 dimensions. Among ten million rows, queries by a text need more than
# 8,000 rows.
MOST_COMPARED = 64_000
# Twice the lists that find less than this share more: what is missing is missed by the codes.
LEAST_GAIN = 0.002
HALVINGS = 3  # steps of the search between too few lists and twice as many
TEXT_COSINE = 0.3  # of most matching pairs; LAION-400M keeps pairs from 0.3 on

Ranks = NDArray[np.int64]
"""(n, NEAREST): where the true neighbours of each query stand among the best codes."""


@dataclass(frozen=True)
class Measured:
    """Queries (n, d), and the ids (n, NEAREST) of the rows that are truly nearest to each."""

    queries: Vectors
    nearest: NDArray[np.int64]


def like_texts(pictures: Vectors, seed: int = 0) -> Vectors:
    """Return a vector (n, d) for each picture that lies as far from it as a matching text does.

    An index has no texts of its own. CLIP's text lies at a cosine of TEXT_COSINE to its picture, in
    directions in which pictures differ little (the modality gap: Liang et al. 2022); random
    directions stand for these.
    """
    # Numbers of its own, unlike those of anything else that is made up with this seed.
    random = np.random.default_rng([seed, 2203])
    away = random.normal(size=pictures.shape).astype(np.float32)
    away -= np.sum(away * pictures, axis=1, keepdims=True) * pictures
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    sine = (1 - TEXT_COSINE**2) ** 0.5
    return np.asarray(TEXT_COSINE * pictures + sine * away, np.float32)


def effort_for(index: VectorIndex, measured: Measured, recall: float, lists: int) -> Effort:
    """Return about the least effort that finds the share `recall` of the nearest rows.

    `lists` is the number of all lists. More rows are compared only where no number of lists is
    enough. Returns EVERY_VECTOR if even MOST_COMPARED rows are not enough.
    """
    ranks_of_probes: dict[int, Ranks] = {}

    def recalled(probes: int, compared: int) -> float:
        if probes not in ranks_of_probes:
            ranks_of_probes[probes] = _ranks(index, measured, probes)
        return float(np.mean(ranks_of_probes[probes] < compared))

    compared = COMPARED
    while compared <= MOST_COMPARED:
        before = 0.0
        for probes in _doubled(lists):
            found = recalled(probes, compared)
            if found >= recall:
                return Effort(_fewest(probes, compared, recall, recalled), compared)
            # Close to the wanted share, more lists that find nothing more show that codes err.
            if before > recall / 2 and found - before < LEAST_GAIN:
                break
            before = found
        compared *= 2
    return EVERY_VECTOR


def _doubled(lists: int) -> Iterator[int]:
    """Yield 1, 2, 4 ..., and at last `lists`."""
    probes = 1
    while probes < lists:
        yield probes
        probes *= 2
    yield lists


def _fewest(
    enough: int, compared: int, recall: float, recalled: Callable[[int, int], float]
) -> int:
    """Halve the way from `enough` lists to half of them, which were too few."""
    too_few = enough // 2
    for _ in range(HALVINGS):
        middle = (too_few + enough) // 2
        if middle <= too_few:
            break
        if recalled(middle, compared) < recall:
            too_few = middle
        else:
            enough = middle
    return enough


def _ranks(index: VectorIndex, measured: Measured, probes: int) -> Ranks:
    """Return the ranks of the true neighbours by their codes, MOST_COMPARED for what is missed."""
    best = index.best_codes(measured.queries, MOST_COMPARED, probes)
    ranks = np.full(measured.nearest.shape, MOST_COMPARED, np.int64)
    for query, ids in enumerate(best):
        # (neighbour, rank): whether the neighbour has this rank
        stands = measured.nearest[query][:, None] == ids[None, :]
        is_ranked = stands.any(axis=1)
        ranks[query, is_ranked] = stands.argmax(axis=1)[is_ranked]
    return ranks

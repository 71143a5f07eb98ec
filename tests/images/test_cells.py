"""Near vectors within cells, against faiss's IndexFlatIP, which compares with all of them."""

from __future__ import annotations

import numpy as np
import pytest

from pairsieve.images.cells import VectorIndex, unit

faiss = pytest.importorskip("faiss")


def some_vectors(seed: int, number: int = 600, dimensions: int = 32):
    """Known vectors, and questions of which most lie near one of them."""
    random = np.random.default_rng(seed)
    known = unit(random.normal(size=(number, dimensions)))
    noise = random.choice([0.01, 0.05, 0.1, 1.0], size=(200, 1))
    asked = known[random.integers(0, number, 200)] + noise * random.normal(size=(200, dimensions))
    return known, unit(asked)


def by_faiss(known, asked, cosine: float) -> set[tuple[int, int]]:
    index = faiss.IndexFlatIP(known.shape[1])
    index.add(known)
    limits, _, rows = index.range_search(asked, cosine)
    questions = np.repeat(np.arange(len(asked)), np.diff(limits.astype(np.int64)))
    return set(zip(questions.tolist(), rows.tolist(), strict=True))


def found(index: VectorIndex, asked, cosine: float) -> set[tuple[int, int]]:
    return {
        pair
        for left, right in index.near(asked, cosine)
        for pair in zip(left.tolist(), right.tolist(), strict=True)
    }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cosine", [0.5, 0.8, 0.95])
def test_one_cell_finds_what_faiss_finds(seed, cosine):
    known, asked = some_vectors(seed)
    wanted = by_faiss(known, asked, cosine)
    assert found(VectorIndex.of(known), asked, cosine) == wanted
    assert wanted


@pytest.mark.parametrize("seed", range(4))
def test_many_cells_lose_few_pairs_and_tell_none_that_is_not_near(seed):
    known, asked = some_vectors(seed)
    index = VectorIndex.of(known, vectors_per_cell=25)
    assert len(index.centres) == 24
    wanted, told = by_faiss(known, asked, 0.9), found(index, asked, 0.9)
    assert told <= wanted
    assert len(told) >= 0.95 * len(wanted)
    # Most of the known vectors are in no cell that a question looks into.
    assert max(map(len, index.members)) < len(known) / 4


def test_the_same_vector_is_found_in_any_number_of_cells():
    known, _ = some_vectors(9, 50)
    for per_cell in (1, 2, 7, 50, 1000):
        told = found(VectorIndex.of(known, per_cell), known, 0.9999)
        assert {(n, n) for n in range(50)} <= told


def test_vectors_without_length_are_near_nothing():
    nothing = unit(np.zeros((2, 8)))
    assert not nothing.any()
    assert found(VectorIndex.of(unit(np.eye(8))), nothing, 0.1) == set()

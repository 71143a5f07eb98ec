"""Near pairs against all pairs by faiss, and groups against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.images import near_hashes
from pairsieve.images.forest import bytes_of, forest_of, merge_forests, names_of, no_edges
from pairsieve.images.near_hashes import (
    BANDS,
    MOST_BITS,
    BandSettings,
    HashIndex,
    band_values,
    most_of_band,
    near_in_band,
    order_of,
    words_of,
)


@pytest.fixture(params=[0, 1 << 40], ids=["from value to value", "whole bands"])
def way(request, monkeypatch):
    """Bands of few and of many hashes are compared in two ways."""
    monkeypatch.setattr(near_hashes, "SPARSE_ROWS", request.param)
    monkeypatch.setattr(near_hashes, "SPARSE_CELLS", 50)


def with_copies(seed: int, number: int, copies: int, most_bits: int = 40) -> np.ndarray:
    """Random hashes, and copies of some in which up to `most_bits` random bits differ."""
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 256, (number, 32), dtype=np.uint8)
    bits = np.unpackbits(hashes[random.integers(0, number, copies)], axis=1)
    for row in bits:
        row[random.choice(256, random.integers(0, most_bits + 1), replace=False)] ^= 1
    return np.unique(np.concatenate([hashes, np.packbits(bits, axis=1)]), axis=0)


def all_pairs(hashes: np.ndarray, most_bits: int) -> set[tuple[int, int]]:
    """Every pair within a distance, by faiss, which compares all."""
    faiss = pytest.importorskip("faiss")
    index = faiss.IndexBinaryFlat(256)
    index.add(hashes)
    limits, _, found = index.range_search(hashes, most_bits + 1)  # faiss: closer than
    left = np.repeat(np.arange(len(hashes)), np.diff(limits.astype(np.int64)))
    return {(int(a), int(b)) for a, b in zip(left, found, strict=True) if a < b}


def by_bands(hashes: np.ndarray, most_bits: int, **settings) -> list[tuple[int, int]]:
    found = []
    for band in range(BANDS):
        for pairs in near_in_band(hashes, BandSettings(band, most_bits, **settings)):
            for left, right in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True):
                found.append((min(left, right), max(left, right)))
    return found


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("most_bits", [0, 7, 15, 16, 24, MOST_BITS])
def test_every_pair_is_found_once(most_bits):
    hashes = with_copies(most_bits, 600, 900)
    found = by_bands(hashes, most_bits)
    assert len(found) == len(set(found))
    assert set(found) == all_pairs(hashes, most_bits)
    assert found or not most_bits


@pytest.mark.usefixtures("way")
def test_full_buckets_too():
    """All hashes share their first bands, as pictures of one layout do."""
    hashes = with_copies(3, 300, 600)
    hashes[:, :6] = 7
    hashes = np.unique(hashes, axis=0)
    assert set(by_bands(hashes, MOST_BITS)) == all_pairs(hashes, MOST_BITS)


@pytest.mark.usefixtures("way")
def test_differences_spread_over_all_bands():
    """The worst case of the pigeonhole: 31 bits, of which each band has at least one."""
    one = np.zeros((1, 32), np.uint8)
    bits = np.zeros((1, 256), np.uint8)
    bits[0, ::16] = 1
    bits[0, 1:241:16] = 1
    assert bits.sum() == MOST_BITS
    assert by_bands(np.concatenate([one, np.packbits(bits, axis=1)]), MOST_BITS) == [(0, 1)]


def test_what_a_cap_leaves_out_is_counted():
    hashes = with_copies(5, 200, 0)
    hashes[:, :2] = 7  # one value of the first band
    pairs = list(near_in_band(hashes, BandSettings(0, MOST_BITS, most_compared=50)))
    size, apart = len(hashes), 50
    compared = sum(min(apart, size - 1 - row) for row in range(size))
    assert sum(one.left_out for one in pairs) == size * (size - 1) // 2 - compared


@pytest.mark.usefixtures("way")
def test_a_band_can_be_divided():
    """By the values that the larger one of a pair has; the other one only visits."""
    hashes = with_copies(21, 500, 900)
    found = []
    for start in range(0, 1 << 16, 1 << 14):
        found += by_bands(hashes, MOST_BITS, values=range(start, start + (1 << 14)))
    assert len(found) == len(set(found))
    assert set(found) == all_pairs(hashes, MOST_BITS)


@pytest.mark.usefixtures("way")
def test_of_two_turned_hashes_no_pair_is_told():
    hashes = with_copies(23, 300, 900)
    turned = np.arange(len(hashes)) % 3 > 0
    found = set()
    for band in range(BANDS):
        for pairs in near_in_band(hashes, BandSettings(band), turned):
            found |= set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    wanted = {(a, b) for a, b in all_pairs(hashes, MOST_BITS) if not (turned[a] and turned[b])}
    assert {(min(pair), max(pair)) for pair in found} == wanted
    assert len(found) == len(wanted) < len(all_pairs(hashes, MOST_BITS))


@given(st.data(), st.integers(1, 256), st.integers(0, 40))
def test_rows_are_ordered_by_everything(data, most, number):
    """As numpy's lexsort orders them, however many rows share their first bits."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    hashes = random.integers(0, most, (number, 32), dtype=np.uint8)
    turned = random.integers(0, 2, number).astype(np.bool_)
    for band in (0, 7, 15):
        values = band_values(hashes, band)
        wanted = np.lexsort([*words_of(hashes).T, turned, values])
        assert order_of(hashes, turned, values).tolist() == wanted.tolist()


def test_a_distance_that_bands_cannot_promise_is_refused():
    with pytest.raises(ValueError, match="32 bits; it must be from 0 to 31"):
        most_of_band(32)


@pytest.mark.usefixtures("way")
def test_the_order_of_hashes_does_not_matter():
    hashes = with_copies(9, 200, 400)
    order = np.random.default_rng(1).permutation(len(hashes))

    def named(rows: np.ndarray) -> set[frozenset[bytes]]:
        return {
            frozenset((rows[a].tobytes(), rows[b].tobytes())) for a, b in by_bands(rows, MOST_BITS)
        }

    assert named(hashes) == named(hashes[order])


@pytest.mark.parametrize("most_bits", [0, 15, MOST_BITS])
def test_an_index_answers_like_all_pairs(most_bits):
    hashes = with_copies(11, 500, 800)
    known, asked = hashes[::2], hashes[1::2]
    faiss = pytest.importorskip("faiss")
    flat = faiss.IndexBinaryFlat(256)
    flat.add(np.ascontiguousarray(known))
    limits, _, found = flat.range_search(np.ascontiguousarray(asked), most_bits + 1)
    wanted = {
        (row, int(one))
        for row in range(len(asked))
        for one in found[int(limits[row]) : int(limits[row + 1])]
    }
    pairs = HashIndex.of(known).near(asked, most_bits)
    answered = list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    assert set(answered) == wanted
    assert answered == sorted(set(answered))


def test_an_empty_index_answers_nothing():
    nothing = np.empty((0, 32), np.uint8)
    assert not len(HashIndex.of(nothing).near(with_copies(1, 5, 0)).left)
    assert not len(HashIndex.of(with_copies(1, 5, 0)).near(nothing).left)


def test_band_values():
    hashes = np.arange(32, dtype=np.uint8)[None]
    assert band_values(hashes, 0)[0] == 0x0001
    assert band_values(hashes, 15)[0] == 0x1E1F


def named(number: int) -> bytes:
    return number.to_bytes(32, "big")


def edges_of(pairs) -> np.ndarray:
    if not pairs:
        return no_edges()
    flat = np.frombuffer(b"".join(named(x) for pair in pairs for x in pair), np.uint8)
    return names_of(flat.reshape(-1, 32)).reshape(-1, 2)


def groups_by_loop(pairs) -> dict[int, int]:
    """Name -> least name of its group, by spreading it until nothing changes."""
    least = {name: name for pair in pairs for name in pair}
    while True:
        before = dict(least)
        for left, right in pairs:
            least[left] = least[right] = min(least[left], least[right])
        if least == before:
            return {name: root for name, root in least.items() if name != root}


def groups_in(forest) -> dict[int, int]:
    numbers = [int.from_bytes(row.tobytes(), "big") for row in bytes_of(forest.reshape(-1))]
    return dict(zip(numbers[::2], numbers[1::2], strict=True))


SOME_EDGES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40)


@given(SOME_EDGES)
def test_groups_are_those_of_a_plain_loop(pairs):
    assert groups_in(forest_of(edges_of(pairs))) == groups_by_loop(pairs)


@given(SOME_EDGES, st.integers(0, 40), st.randoms(use_true_random=False))
def test_forests_merge_in_any_order_and_grouping(pairs, cut, random):
    whole = forest_of(edges_of(pairs))
    shuffled = list(pairs)
    random.shuffle(shuffled)
    parts = [forest_of(edges_of(shuffled[:cut])), forest_of(edges_of(shuffled[cut:]))]
    assert merge_forests(parts).tobytes() == whole.tobytes()
    assert merge_forests([*parts[::-1], whole]).tobytes() == whole.tobytes()


def test_a_long_chain_is_one_group():
    pairs = list(zip(range(5000), range(1, 5001), strict=True))
    assert set(groups_in(forest_of(edges_of(pairs))).values()) == {0}

from __future__ import annotations

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.images.pdq import orientations
from pairsieve.search.effort import Measured, effort_for, like_texts
from pairsieve.search.hashes import HashIndex, ShardHashes, write_tables
from pairsieve.search.vectors import (
    COMPARED,
    EVERY_VECTOR,
    Effort,
    VectorIndex,
    add_to_lists,
    make_lists,
    remove_from_lists,
    write_vectors,
)
from pairsieve.search.words import row_id

RANDOM = np.random.default_rng(0)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors():
    """5,000 vectors in 50 clouds, as two shards."""
    middles = unit(RANDOM.normal(size=(50, 32)))
    return unit(middles[RANDOM.integers(0, 50, 5000)] + 0.15 * RANDOM.normal(size=(5000, 32)))


def in_blocks(rows):
    return iter(np.array_split(rows, 3))


def shards_of(vectors, folder):
    shards = []
    for number, rows in enumerate(np.array_split(vectors, 2)):
        place = folder / str(number)
        place.mkdir()
        write_vectors(place, in_blocks(rows))
        shards.append((number, place))
    return shards


def lists_of(vectors, path):
    lists = make_lists(vectors, len(vectors))
    for number, rows in enumerate(np.array_split(vectors, 2)):
        add_to_lists(lists, number, in_blocks(rows))
    faiss.write_index(lists, str(path))
    return lists


def true_neighbours(vectors, query):
    half = len(vectors) // 2
    return [(int(n) // half, int(n) % half) for n in np.argsort(-(vectors @ query))[:10]]


def measured(vectors, queries):
    ids = [[row_id(*row) for row in true_neighbours(vectors, query)] for query in queries]
    return Measured(queries, np.array(ids))


def recall(index, measured, effort):
    """The share of the true neighbours that searches find."""
    found = 0
    for query, true_ids in zip(measured.queries, measured.nearest, strict=True):
        ids = {row_id(shard, row) for shard, row, _ in index.nearest(query, 10, effort)}
        found += len(ids & set(true_ids))
    return found / measured.nearest.size


def test_all_vectors_looked_at(vectors, tmp_path):
    index = VectorIndex(shards_of(vectors, tmp_path))
    for query in vectors[::500]:
        found = index.nearest(query, 10)
        assert {hit[:2] for hit in found} == set(true_neighbours(vectors, query))
        assert found[0][2] == pytest.approx(1, abs=2e-3)
        assert [hit[2] for hit in found] == sorted((hit[2] for hit in found), reverse=True)


def test_lists_find_what_they_promise(vectors, tmp_path):
    path, shards, number = (
        tmp_path / "lists",
        shards_of(vectors, tmp_path),
        lists_of(vectors, tmp_path / "lists").nlist,
    )
    index = VectorIndex(shards, path)
    effort = effort_for(index, measured(vectors, vectors[::100]), 0.99, number)
    assert 1 <= effort.probes < number
    others = vectors[50::100]
    assert recall(index, measured(vectors, others), effort) > 0.97
    found = index.nearest(others[3], 10, effort)
    assert found[0][2] == pytest.approx(1, abs=2e-3), "cosines are those of the vectors"
    impossible = Measured(others[:5], np.full((5, 10), row_id(7, 0)))
    assert effort_for(index, impossible, 0.99, number) == EVERY_VECTOR


def test_texts_need_more_than_pictures(vectors, tmp_path):
    """The neighbours of a text are found by an effort that is measured for texts."""
    path = tmp_path / "lists"
    number = lists_of(vectors, path).nlist
    index = VectorIndex(shards_of(vectors, tmp_path), path)
    of_pictures = effort_for(index, measured(vectors, vectors[::100]), 0.95, number)
    of_texts = effort_for(index, measured(vectors, like_texts(vectors[::100])), 0.95, number)
    others = measured(vectors, like_texts(vectors[50::100], seed=1))
    assert recall(index, others, of_texts) > 0.9
    assert recall(index, others, of_pictures) < recall(index, others, of_texts)


def test_vectors_like_those_of_texts(vectors):
    texts = like_texts(vectors)
    assert np.linalg.norm(texts, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.sum(texts * vectors, axis=1) == pytest.approx(0.3, abs=1e-5)


def test_more_rows_are_compared_where_codes_err(tmp_path):
    """A code of one bit a number is too coarse for vectors that lie near no surface."""
    vectors = unit(RANDOM.normal(size=(10_000, 512)))
    number = lists_of(vectors, tmp_path / "lists").nlist
    index = VectorIndex(shards_of(vectors, tmp_path), tmp_path / "lists")
    texts = measured(vectors, like_texts(vectors[::1000]))
    effort = effort_for(index, texts, 0.9, number)
    assert effort.compared > COMPARED
    assert recall(index, texts, effort) >= 0.9
    assert effort_for(index, texts, 1.01, number) == EVERY_VECTOR


@pytest.mark.parametrize("size", [32, 700])
def test_a_shard_leaves_the_lists(size, tmp_path):
    vectors = unit(RANDOM.normal(size=(400, size)))
    lists = lists_of(vectors, tmp_path / "lists")
    remove_from_lists(lists, 0)
    faiss.write_index(lists, str(tmp_path / "lists"))
    index = VectorIndex(shards_of(vectors, tmp_path), tmp_path / "lists")
    found = index.nearest(vectors[300], 400, Effort(lists.nlist))
    assert sorted(hit[:2] for hit in found) == [(1, row) for row in range(200)]
    assert found[0][:2] == (1, 100)


def test_an_empty_shard(tmp_path):
    write_vectors(tmp_path, [])
    assert VectorIndex([(0, tmp_path)]).nearest(np.ones(32, np.float32), 5) == []
    lists = make_lists(np.ones((50, 32), np.float32), 50)
    add_to_lists(lists, 0, [])
    assert lists.ntotal == 0


def write_hashes(folder, hashes):
    of_shard = ShardHashes()
    for row, bits in hashes:
        of_shard.add(row, bits.hex())
    of_shard.write(folder)


def hash_index(folder, hashes_of_shards):
    """Index {number of a shard: [(row, hash)]}."""
    shards = []
    for number, hashes in hashes_of_shards.items():
        of_shard = folder / str(number)
        of_shard.mkdir()
        write_hashes(of_shard, hashes)
        shards.append((number, of_shard))
    write_tables(folder / "tables", shards)
    return HashIndex(folder / "tables")


def test_hashes_are_found_turned_and_nearly_the_same(tmp_path):
    hashes = [RANDOM.bytes(32) for _ in range(100)]
    rows = [(2 * n, bits) for n, bits in enumerate(hashes)]
    index = hash_index(tmp_path, {3: rows[:8], 4: [], 5: rows[8:]})
    assert index.alike([hashes[7]]) == [(row_id(3, 14), 0)]
    nearly = bytes([hashes[7][0] ^ 0b101, *hashes[7][1:]])
    assert index.alike(orientations(nearly)) == [(row_id(3, 14), 2)]
    for flipped, found in ((31, [(row_id(5, 18), 31)]), (32, [])):
        bits = np.unpackbits(np.frombuffer(hashes[9], np.uint8))
        bits[:flipped] ^= 1
        assert index.alike([np.packbits(bits).tobytes()]) == found
    assert index.alike([]) == []


def test_shards_without_hashes(tmp_path):
    assert hash_index(tmp_path, {0: [], 1: []}).alike([bytes(32)]) == []


def test_an_open_index_of_hashes_keeps_its_files(tmp_path):
    one, other = RANDOM.bytes(32), RANDOM.bytes(32)
    index = hash_index(tmp_path, {0: [(0, one)]})
    assert index.alike([one]) == [(row_id(0, 0), 0)]
    write_hashes(tmp_path / "0", [(4, other)])
    write_tables(tmp_path / "tables", [(0, tmp_path / "0")])
    assert index.alike([one]) == [(row_id(0, 0), 0)]
    assert HashIndex(tmp_path / "tables").alike([other]) == [(row_id(0, 4), 0)]


@given(st.integers(0, 2**31), st.integers(1, 31))
def test_no_hash_within_the_limit_is_missed(tmp_path_factory, seed, flipped):
    random = np.random.default_rng(seed)
    hashes = [random.bytes(32) for _ in range(20)]
    index = hash_index(tmp_path_factory.mktemp("hashes"), {0: list(enumerate(hashes))})
    bits = np.unpackbits(np.frombuffer(hashes[3], np.uint8))
    bits[random.choice(256, flipped, replace=False)] ^= 1
    found = index.alike([random.bytes(32), np.packbits(bits).tobytes()])
    assert found == [(row_id(0, 3), flipped)]

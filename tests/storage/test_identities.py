from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.storage import files, identities
from pairsieve.storage.identities import found_among, write_identities
from pairsieve.storage.sealed import Damaged

BUCKETS = 3
# Few, so that they meet. Zeros at the end are part of an identity.
some = st.sampled_from(
    [bytes(15) + bytes([n]) for n in range(4)] + [bytes([n]) + bytes(15) for n in range(4)]
)
rows = st.lists(st.tuples(some, st.integers(0, BUCKETS - 1)), max_size=12)


def write(path: str, content: list[tuple[bytes, int]]) -> str:
    joined = b"".join(identity for identity, _ in content)
    write_identities(path, joined, [number for _, number in content], BUCKETS)
    return path


@given(st.lists(rows, max_size=4), st.sets(some), st.integers(0, BUCKETS - 1))
def test_what_any_file_has_in_the_bucket_is_found(tmp_path_factory, contents, wanted, bucket):
    folder = tmp_path_factory.mktemp("known")
    paths = [write(f"{folder}/{n}", content) for n, content in enumerate(contents)]
    there = {identity for content in contents for identity, number in content if number == bucket}
    assert found_among(wanted, paths, bucket) == wanted & there


def test_many_files_and_identities_are_read_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(identities, "FILES_AT_ONCE", 3)
    monkeypatch.setattr(identities, "BLOCK_BYTES", 40)
    monkeypatch.setattr(identities, "LOOKED_UP", 2)
    every = [n.to_bytes(16, "big") for n in range(100)]
    paths = [
        write(str(tmp_path / str(first)), [(one, 1) for one in every[first : first + first % 7]])
        for first in range(0, 100, 7)
    ]
    there = {one for first in range(0, 100, 7) for one in every[first : first + first % 7]}
    assert found_among(every, paths, 1) == there
    assert found_among(every, paths, 0) == set()


def test_the_order_of_rows_within_a_bucket_stays(tmp_path):
    """So equal rows make equal bytes."""
    one, two = bytes(16), bytes([1]) * 16
    write(str(tmp_path / "x"), [(two, 1), (one, 0), (one, 1)])
    assert (tmp_path / "x").read_bytes()[-48:] == one + two + one


def test_files_in_a_store():
    path = write("memory://known/x", [(bytes(16), 2)])
    assert found_among([bytes(16)], [path], 2) == {bytes(16)}


@pytest.mark.parametrize("bucket", range(BUCKETS))
def test_a_changed_byte_is_noticed(tmp_path, bucket):
    content = [(bytes([n]) * 16, n % BUCKETS) for n in range(5)]
    path = write(str(tmp_path / "x"), content)
    wanted = [identity for identity, _ in content]
    expected = found_among(wanted, [path], bucket)
    whole = (tmp_path / "x").read_bytes()
    noticed = 0
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x40
        (tmp_path / "x").write_bytes(changed)
        try:
            assert found_among(wanted, [path], bucket) == expected, "a byte of another bucket"
        except Damaged:
            noticed += 1
    # An entry has 24 bytes, and each identity 16.
    assert noticed == 24 + 16 * sum(number == bucket for _, number in content)


@pytest.mark.parametrize("size", [0, 10, 60, 100])
def test_a_file_that_was_cut_off_is_noticed(tmp_path, size):
    path = write(str(tmp_path / "x"), [(bytes(16), 2)] * 3)
    (tmp_path / "x").write_bytes((tmp_path / "x").read_bytes()[:size])
    with pytest.raises(Damaged, match="Remove it"):
        found_among([bytes(16)], [path], 2)


def test_a_file_that_is_gone_stops(tmp_path):
    with pytest.raises(FileNotFoundError):
        found_among([bytes(16)], [files.join(str(tmp_path), "gone")], 0)

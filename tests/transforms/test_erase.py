"""An erasure's work on one shard: what is found in it, and what is left of it."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.erasure.match import Matcher
from pairsieve.erasure.requests import Request, parse_request
from pairsieve.records.manifest import ListedFile
from pairsieve.storage.sealed import Damaged
from pairsieve.storage.shards import open_shard
from transforms.erase.found import (
    COVERS_COPIES,
    ROW,
    Found,
    FoundShard,
    merge_found,
    read_found,
    read_row_numbers,
    read_rows,
    write_found,
)
from transforms.erase.rewrite import (
    Digesting,
    RewriteSettings,
    ShardToRewrite,
    rewrite_shard,
    write_table_without,
    write_vectors_without,
)
from transforms.erase.search import (
    OpenShard,
    SearchSettings,
    matches_in,
    read_requests_file,
    search_shard,
    write_requests_file,
)

KEYS = ["aa" * 16, "AB" * 16, "b0" * 16, "0c" * 16, "Cd" * 16]


def matcher_of(*requests):
    return Matcher([parse_request(json.dumps(request)) for request in requests])


def written(path, columns, group_rows, **options):
    pq.write_table(pa.table(columns), path, row_group_size=group_rows, **options)
    return path


@given(
    cells=st.lists(st.sampled_from([*KEYS, None]), min_size=1, max_size=12),
    wanted=st.sets(st.sampled_from([key.lower() for key in KEYS]), min_size=1),
    group_rows=st.integers(1, 5),
    has_statistics=st.booleans(),
)
def test_no_statistics_hide_a_row(cells, wanted, group_rows, has_statistics):
    """What is right is said by a plain comparison of each cell."""
    stream = io.BytesIO()
    table = pa.table({"key": pa.array(cells, pa.string())})
    pq.write_table(table, stream, row_group_size=group_rows, write_statistics=has_statistics)
    requests = [{"key": key} for key in sorted(wanted)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "transforms.erase.search.openers.open_row_groups",
            lambda _: io.BytesIO(stream.getvalue()),
        )
        found = list(matches_in("shard", {}, matcher_of(*requests)))
    expected = [
        {sorted(wanted).index(cell.lower())}
        for cell in cells
        if cell is not None and cell.lower() in wanted
    ]
    assert found == expected


@pytest.mark.parametrize(
    ("request_", "read"),
    [
        ({"key": f"{7:032x}"}, [(1, ("key",))]),
        ({"key": f"{99:032x}"}, []),
        ({"md5": "ab" * 16}, []),  # no shard has it
        ({"image_url": "https://a.example/1"}, [(n, ("URL", "final_url")) for n in range(3)]),
        ({"page_url": "https://a.example/1"}, [(n, ("page_url",)) for n in range(3)]),
        ({"domain": "b.example"}, [(n, ("URL", "final_url", "page_url")) for n in range(3)]),
    ],
)
def test_only_what_a_request_compares_is_read(request_, read, tmp_path, monkeypatch):
    columns = {
        "URL": ["https://a.example/9"] * 15,
        "page_url": ["https://a.example/"] * 15,
        "key": [f"{n:032x}" for n in range(15)],
        "TEXT": ["x"] * 15,
    }
    path = written(tmp_path / "shard", columns, 5)
    seen = []
    original = OpenShard.read

    def spy(self, group, columns):
        seen.append((group, tuple(columns)))
        return original(self, group, columns)

    monkeypatch.setattr(OpenShard, "read", spy)
    list(matches_in(str(path), {}, matcher_of(request_)))
    assert seen == read


def test_found_rows_are_described_in_a_private_file(tmp_path):
    columns = {
        "link": [f"https://{host}.example/" for host in "abcab"],
        "key": [f"{n:032x}" for n in range(5)],
        "hash": range(5),
        "sha256": ["ab" * 32, None, "cd" * 32, None, None],
    }
    written(tmp_path / "s.parquet", columns, 2)
    settings = SearchSettings(str(tmp_path), str(tmp_path / "job"), {"URL": "link"})
    matcher = matcher_of({"domain": "a.example"}, {"key": f"{3:032x}"}, {"key": f"{4:032x}"})
    found = search_shard("s.parquet", settings, matcher)
    assert found.shards == [FoundShard("s.parquet", 3, {0: 2, 1: 1, 2: 1})]
    assert found.columns == {"URL", "key", "sha256"}
    (*pieces,) = read_rows(settings.folder, "s.parquet", ["URL", "hash", ROW, COVERS_COPIES])
    rows = [row for piece in pieces for row in piece.to_pylist()]
    # A domain's pictures may stand elsewhere; a row that was named by its key may not.
    expected = [("a", 0, False), ("a", 3, True), ("b", 4, True)]
    assert rows == [
        {"URL": f"https://{host}.example/", "hash": row, ROW: row, COVERS_COPIES: covers}
        for host, row, covers in expected
    ]
    assert (tmp_path / "job" / "rows" / "s.parquet").stat().st_mode & 0o077 == 0


def test_a_shard_without_matches_leaves_no_file(tmp_path):
    written(tmp_path / "s.parquet", {"key": KEYS}, 2)
    settings = SearchSettings(str(tmp_path), str(tmp_path / "job"))
    found = search_shard("s.parquet", settings, matcher_of({"key": "12" * 16}))
    assert found == Found([], frozenset({"key"}))
    assert not (tmp_path / "job").exists()


SHARDS = st.lists(
    st.builds(
        FoundShard,
        st.uuids().map(str),
        st.integers(1, 9),
        st.dictionaries(st.integers(0, 5), st.integers(1, 9)),
    ),
    max_size=6,
    unique_by=lambda shard: shard.path,
)


@given(SHARDS, st.data())
def test_what_was_found_adds_up_in_any_order_and_grouping(shards, data):
    parts = [Found([shard], frozenset({shard.path[0]})) for shard in shards]
    whole = merge_found(parts)
    shuffled = data.draw(st.permutations(parts))
    at = data.draw(st.integers(0, len(parts)))
    assert merge_found([merge_found(shuffled[:at]), *shuffled[at:]]) == whole
    assert whole.rows == sum(shard.rows for shard in shards)
    for number in range(6):
        assert whole.rows_of[number] == sum(shard.rows_of.get(number, 0) for shard in shards)
        assert whole.shards_of[number] == sum(number in shard.rows_of for shard in shards)


def test_what_workers_read_is_what_was_written(tmp_path):
    found = Found([FoundShard("a/b.parquet", 2, {0: 1, 7: 2})], frozenset({"key", "URL"}))
    write_found(found, str(tmp_path))
    assert read_found(str(tmp_path)) == found
    requests = [Request("image", ("ab" * 32,), "receipt-1", ("cd" * 32, "ef" * 16), "me.jpg")]
    requests.append(Request("domain", ("a.example",), copies=True))
    write_requests_file(requests, str(tmp_path))
    first, second = read_requests_file(str(tmp_path))
    assert first == Request("image", ("ab" * 32,), bytes_hashes=("cd" * 32, "ef" * 16))
    assert second == requests[1]
    assert "receipt-1" not in (tmp_path / "requests.json").read_text()
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def shard_of(tables):
    stream = io.BytesIO()
    with open_shard(stream, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    return stream.getvalue()


def without(content, gone):
    stream = io.BytesIO()
    left = write_table_without(io.BytesIO(content), Digesting(stream), np.array(gone, np.int64))
    return left, stream.getvalue()


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_all_other_rows_stay_in_their_row_groups(sizes, data):
    values = np.arange(sum(sizes))
    gone = sorted(data.draw(st.sets(st.integers(0, len(values) - 1))))
    groups = np.split(values, np.cumsum(sizes)[:-1])
    left, content = without(shard_of([pa.table({"n": group}) for group in groups]), gone)
    kept = [np.setdiff1d(group, gone).tolist() for group in groups]
    shard = pq.ParquetFile(io.BytesIO(content))
    there = [shard.read_row_group(n)["n"].to_pylist() for n in range(shard.num_row_groups)]
    assert there == [group for group in kept if group]
    assert left == len(values) - len(gone)


@pytest.mark.parametrize("descending", [False, True])
def test_a_shard_stays_sorted_as_it_says(descending):
    """Others sort their files by columns of their own (parquet.thrift, SortingColumn)."""
    stream = io.BytesIO()
    order = [pq.SortingColumn(1, descending=descending)]
    table = pa.table({"n": [4, 2, 9], "URL": ["a", "b", "c"]})
    pq.write_table(table, stream, sorting_columns=order)
    _, content = without(stream.getvalue(), [1])
    assert pq.read_metadata(io.BytesIO(content)).row_group(0).sorting_columns == tuple(order)


def test_a_row_changes_few_bytes():
    """Other row groups stay as they are, and so do the pages before and behind the row."""
    random = np.random.default_rng(0)
    texts = [[random.bytes(20).hex() for _ in range(40_000)] for _ in range(3)]
    before = shard_of([pa.table({"URL": text}) for text in texts])
    # Behind the rows whose values lie in the dictionary at the front of their row group.
    _, after = without(before, [65_000])
    chunks = []
    for content in (before, after):
        metadata = pq.read_metadata(io.BytesIO(content))
        columns = [metadata.row_group(group).column(0) for group in range(3)]
        starts = [c.dictionary_page_offset or c.data_page_offset for c in columns]
        sizes = [c.total_compressed_size for c in columns]
        chunks.append([content[a : a + n] for a, n in zip(starts, sizes, strict=True)])
    (first, middle, last), (new_first, new_middle, new_last) = chunks
    assert (first, last) == (new_first, new_last)
    same = common(middle, new_middle) + common(middle[::-1], new_middle[::-1])
    assert same / len(middle) > 0.7
    assert (len(middle) - same) / len(before) < 0.2


def common(left, right):
    """How many bytes at the beginning are the same."""
    number = min(len(left), len(right))
    differs = np.frombuffer(left[:number], np.uint8) != np.frombuffer(right[:number], np.uint8)
    return int(np.argmax(differs)) if differs.any() else number


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4"])
@pytest.mark.parametrize("gone", [[], [0], [1, 2, 6], list(range(7))])
def test_vectors_are_those_that_numpy_would_write(dtype, gone, monkeypatch):
    monkeypatch.setattr("transforms.erase.rewrite.VECTOR_ROWS", 3)
    vectors = np.arange(28).reshape(7, 4).astype(dtype)
    source, expected, target = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(source, vectors)
    source.seek(0)
    np.save(expected, np.delete(vectors, gone, axis=0))
    left = write_vectors_without(source, Digesting(target), np.array(gone, np.int64))
    assert target.getvalue() == expected.getvalue()
    assert left == 7 - len(gone)


@pytest.mark.parametrize("array", [np.zeros(4), np.asfortranarray(np.zeros((3, 2)))])
def test_other_arrays_are_refused(array):
    source = io.BytesIO()
    np.save(source, array)
    source.seek(0)
    with pytest.raises(ValueError, match="one row after another"):
        write_vectors_without(source, Digesting(io.BytesIO()), np.array([0]))


def test_a_damaged_shard_is_not_written(tmp_path):
    written(tmp_path / "s.parquet", {"key": KEYS}, 2)
    settings = SearchSettings(str(tmp_path), str(tmp_path / "job"))
    search_shard("s.parquet", settings, matcher_of({"key": KEYS[0]}))
    assert read_row_numbers(settings.folder, "s.parquet").tolist() == [0]
    listed = ListedFile("s.parquet", 5, 1, "0" * 64)
    rewriting = RewriteSettings(str(tmp_path), str(tmp_path / "new"), settings.folder)
    with pytest.raises(Damaged, match="is damaged"):
        list(rewrite_shard(ShardToRewrite(listed, 1), rewriting))
    assert not (tmp_path / "new").exists()

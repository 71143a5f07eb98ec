"""Row groups are copied byte for byte, and the file is the one that pyarrow would write."""

from __future__ import annotations

import io

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairsieve.storage.row_groups import (
    CREATED_BY,
    END_BYTES,
    MAGIC,
    OtherLayout,
    Splicer,
    read_layout,
)
from pairsieve.storage.shards import open_shard
from pairsieve.storage.thrift import BINARY, I64, NotReadable, read_struct, struct_bytes
from transforms.erase import rewrite
from transforms.erase.rewrite import Digesting, write_table_without

RANDOM = np.random.default_rng(0)
ROWS = 4_000
KEYS = sorted(RANDOM.bytes(16).hex() for _ in range(ROWS))
# Readers call the elements so: a file that was read and written again does too.
WORDS = pa.list_(pa.field("element", pa.string()))
NUMBERS = pa.struct([("x", pa.int64()), ("y", pa.list_(pa.field("element", pa.float64())))])
TABLE = pa.table(
    {
        "key": KEYS,
        "URL": [f"https://a.example/{key}.jpg" for key in KEYS],
        "LANGUAGE": ["en", "de"] * (ROWS // 2),
        "similarity": pa.array(RANDOM.uniform(size=ROWS), pa.float32()),
        "flag": [None, True, False, True] * (ROWS // 4),
        "nothing": pa.nulls(ROWS, pa.string()),
        "words": pa.array([["a", "b"], None, [], ["c"]] * (ROWS // 4), WORDS),
        "when": pa.array(np.arange(ROWS), pa.timestamp("us", "UTC")),
        "bytes": [RANDOM.bytes(4) for _ in range(ROWS)],
        "struct": pa.array([{"x": n, "y": [float(n)]} for n in range(ROWS)], NUMBERS),
    }
)


def shard(table=TABLE, rows=1_000, sorted_by="key"):
    stream = io.BytesIO()
    order = [pq.SortingColumn(table.schema.get_field_index(sorted_by))] if sorted_by else ()
    with open_shard(stream, table.schema, order) as writer:
        writer.write_table(table, row_group_size=rows)
    return stream.getvalue()


def written(table=TABLE, rows=1_000, **options):
    stream = io.BytesIO()
    pq.write_table(table, stream, row_group_size=rows, **options)
    return stream.getvalue()


def without(content, gone):
    stream = io.BytesIO()
    write_table_without(io.BytesIO(content), Digesting(stream), np.array(gone, np.int64))
    return stream.getvalue()


def all_anew(content, gone):
    file, stream = pq.ParquetFile(io.BytesIO(content)), io.BytesIO()
    groups = list(rewrite._groups(file, np.array(gone, np.int64)))
    rewrite._write_all_anew(file, groups, Digesting(stream))
    return stream.getvalue()


@pytest.fixture
def spliced(monkeypatch):
    """The numbers of the row groups that were copied."""
    copied = []

    class Counting(Splicer):
        def copy(self, number):
            copied.append(number)
            super().copy(number)

    monkeypatch.setattr(rewrite, "Splicer", Counting)
    return copied


SHARD = shard()


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(0, ROWS - 1), min_size=1, max_size=3), st.sets(st.integers(0, 3)))
def test_the_file_is_the_one_that_pyarrow_writes(rows, whole_groups):
    for group in whole_groups:
        rows = rows | set(range(group * 1_000, group * 1_000 + 1_000))
    gone = sorted(rows)
    assert without(SHARD, gone) == all_anew(SHARD, gone)


@pytest.mark.parametrize("rows", [1_000, 1_500, 3_999])
def test_row_groups_without_erased_rows_are_copied(rows, spliced):
    content = shard(rows=rows)
    assert without(content, [2, 5]) == all_anew(content, [2, 5])
    assert spliced == list(range(1, -(-ROWS // rows)))


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.map_(pa.string(), pa.string())])
def test_what_the_footer_keeps_for_arrow_stays(kind, spliced):
    """Parquet names elements of lists and entries of maps in its own way."""
    cell = [("a", "b")] if pa.types.is_map(kind) else ["a"]
    table = pa.table({"key": KEYS, "cells": pa.array([cell] * ROWS, kind)})
    content = shard(table)
    after, anew = without(content, [5]), all_anew(content, [5])
    assert spliced == [1, 2, 3]
    before, metadata = (pq.read_metadata(io.BytesIO(file)) for file in (content, after))
    assert metadata.metadata == before.metadata
    expected = pq.read_table(io.BytesIO(anew))
    assert pq.read_table(io.BytesIO(after)).equals(expected)
    end = read_layout(io.BytesIO(after)).groups[-1].end
    assert after[:end] == anew[:end]


def test_a_file_of_one_row_group_is_written_anew(spliced):
    assert without(shard(rows=ROWS), [7]) == all_anew(shard(rows=ROWS), [7])
    assert spliced == []


def test_nothing_of_an_erased_row_is_left():
    """Its values were the least and the most of its row group, and the ends of its pages."""
    gone = [1_000, 1_999]
    after = without(written(compression="none", write_page_index=True), gone)
    for row in gone:
        assert KEYS[row].encode() not in after
    plain = shard(TABLE.select(["key"]), sorted_by=None)
    assert KEYS[1_999].encode() in plain, "statistics and page indexes have it in the open"
    assert KEYS[1_999].encode() not in without(plain, gone)


def test_readers_agree(tmp_path):
    path = tmp_path / "after.parquet"
    path.write_bytes(without(SHARD, [1_234, 1_235, 3_999]))
    expected = pa.concat_tables([TABLE[:1_234], TABLE[1_236:3_999]])
    assert pq.read_table(path).equals(expected)
    file = pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=True)
    groups = [file.read_row_group(n) for n in range(file.num_row_groups)]
    assert [group.num_rows for group in groups] == [1_000, 998, 1_000, 999]
    assert pa.concat_tables(groups).equals(expected)
    for key in (KEYS[0], KEYS[1_233], KEYS[1_236], KEYS[3_998]):
        assert pq.read_table(path, filters=[("key", "=", key)])["key"].to_pylist() == [key]
        found = duckdb.execute(f"SELECT key FROM '{path}' WHERE key = '{key}'").fetchall()
        assert found == [(key,)]
    (counted,) = duckdb.execute(f"SELECT count(*), sum(struct.x) FROM '{path}'").fetchall()
    assert counted == (3_997, sum(range(ROWS)) - 1_234 - 1_235 - 3_999)


OTHERS = {
    "without page index": written(),
    "another schema": written(write_page_index=True, use_deprecated_int96_timestamps=True),
    "bloom filters": written(
        write_page_index=True, bloom_filter_options={"key": {"ndv": ROWS, "fpp": 0.01}}
    ),
    "no parquet": b"PAR1 and nothing else",
    "short": b"PAR1",
}


@pytest.mark.parametrize("how", [how for how in OTHERS if how.startswith(("no", "short"))])
def test_what_is_no_parquet_has_no_layout(how):
    with pytest.raises(OtherLayout):
        read_layout(io.BytesIO(OTHERS[how]))


@pytest.mark.parametrize("how", ["without page index", "another schema", "bloom filters"])
def test_other_files_are_written_anew(how, spliced):
    content = OTHERS[how]
    after = without(content, [5])
    assert after == all_anew(content, [5])
    assert pq.read_table(io.BytesIO(after)).num_rows == ROWS - 1
    assert spliced == []


@pytest.mark.parametrize("created_by", [None, (BINARY, b""), (I64, 2**50)])
def test_a_file_that_does_not_name_its_writer_is_written_anew(created_by, spliced):
    """The name is optional in parquet."""
    layout = read_layout(io.BytesIO(SHARD))
    footer = {number: field for number, field in layout.footer.items() if number != CREATED_BY}
    if created_by:
        footer[CREATED_BY] = created_by
    old_bytes, new = len(struct_bytes(layout.footer)), struct_bytes(footer)
    content = SHARD[: -old_bytes - END_BYTES] + new + len(new).to_bytes(4, "little") + MAGIC
    assert without(content, [5]) == without(SHARD, [5])
    assert spliced == [1, 2, 3]  # of SHARD alone


def test_a_file_of_another_writer_is_written_anew(tmp_path, spliced):
    path = tmp_path / "duck.parquet"
    keys = pa.table({"key": KEYS})
    duckdb.from_arrow(keys).write_parquet(str(path), row_group_size=2_048)
    after = without(path.read_bytes(), [5])
    assert pq.read_table(io.BytesIO(after))["key"].to_pylist() == KEYS[:5] + KEYS[6:]
    assert spliced == []


def test_other_compressions_of_pyarrow_are_copied(spliced):
    content = written(compression="snappy", write_page_index=True, data_page_version="2.0")
    after = pq.read_table(io.BytesIO(without(content, [5])))
    assert after.equals(pa.concat_tables([TABLE[:5], TABLE[6:]]))
    assert spliced == [1, 2, 3]


@given(st.integers(0, len(SHARD) - 1), st.integers(1, 255))
def test_a_damaged_file_is_no_surprise(position, change):
    """Commands compare checksums before; here nothing but the errors of a reader may be raised."""
    # Most of the file is pages; what is read here lies at its end.
    position = (
        len(SHARD) - 1 - position % (len(SHARD) - read_layout(io.BytesIO(SHARD)).groups[-1].end)
    )
    damaged = bytearray(SHARD)
    damaged[position] ^= change
    try:
        layout = read_layout(io.BytesIO(bytes(damaged)))
    except OtherLayout:
        return
    assert len(layout.groups) <= 4


@given(st.binary(max_size=200))
def test_any_bytes_are_a_struct_or_none(content):
    try:
        fields, end = read_struct(content)
    except NotReadable:
        return
    again, _ = read_struct(struct_bytes(fields))
    assert again == fields
    assert end <= len(content)


def test_numbers_without_an_end_are_refused():
    with pytest.raises(NotReadable, match="too long"):
        read_struct(b"\x16" + b"\xff" * 100_000 + b"\x00\x00")


def test_deep_structs_are_refused():
    with pytest.raises(NotReadable, match="cut off"):
        read_struct(b"\x1c" * 100_000)

from __future__ import annotations

import hashlib

import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from records.row import COLUMNS, KEY_INDEX, ROW_SCHEMA
from transforms.shard import ShardSettings, shard_path, write_shard


def row(key: str) -> tuple[object, ...]:
    cells: list[object] = [None] * len(COLUMNS)
    cells[KEY_INDEX] = key
    return tuple(cells)


def test_name():
    assert shard_path("dataset/en", 3, 128) == "dataset/en/part-00003-of-00128.parquet"


def test_sorted_and_described(tmp_path):
    settings = ShardSettings(str(tmp_path), ["dataset/en"], 2)
    path, rows, size, digest = write_shard((("dataset/en", 1), [row("b"), None, row("a")]), settings)
    content = (tmp_path / path).read_bytes()
    assert (rows, size, digest) == (2, len(content), hashlib.sha256(content).hexdigest())
    assert pq.read_table(tmp_path / path)["key"].to_pylist() == ["a", "b"]


def test_an_empty_shard_has_its_columns(tmp_path):
    path, rows, _, _ = write_shard((("dataset/en", 0), [None]), ShardSettings(str(tmp_path), ["dataset/en"], 1))
    assert rows == 0
    assert pq.read_schema(tmp_path / path).equals(ROW_SCHEMA)


@given(keys=st.lists(st.text("abc", min_size=1, max_size=4), unique=True, max_size=8), random=st.randoms())
def test_the_same_rows_give_the_same_bytes(keys, random, tmp_path_factory):
    settings = ShardSettings(str(tmp_path_factory.mktemp("s")), ["dataset/en"], 1)
    first = write_shard((("dataset/en", 0), [row(k) for k in keys]), settings)
    random.shuffle(keys)
    assert write_shard((("dataset/en", 0), [row(k) for k in keys]), settings) == first

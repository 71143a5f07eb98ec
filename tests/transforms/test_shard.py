from __future__ import annotations

import hashlib
from collections import Counter

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.testing import test_pipeline
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.records.row import (
    GUARDED,
    KEY,
    ROW_SCHEMA,
    SHUFFLED_SCHEMA,
    SIDECAR_COLUMNS,
    published_names,
)
from transforms.plumbing.spill import Spill, Spilled, read_batches
from transforms.rules import PartRows, ShardRow, shard_of
from transforms.shard import (
    PackByShard,
    ShardSettings,
    WriteShards,
    pack,
    shard_count,
    shard_path,
    write_shard,
)


def row(key: str) -> bytes:
    cells = [key if name == KEY else None for name in SHUFFLED_SCHEMA.names]
    return pack([cells], SHUFFLED_SCHEMA)


def test_name():
    assert shard_path("dataset/en", 3, 128) == "dataset/en/part-00003-of-00128.parquet"


def test_sorted_and_described(tmp_path):
    settings = ShardSettings(str(tmp_path), ["dataset/en"], 2)
    written = write_shard((("dataset/en", 1), [row("b"), b"", row("a")]), settings)
    path, rows, size, digest = written.listed[0]
    content = (tmp_path / path).read_bytes()
    assert (rows, size, digest) == (2, len(content), hashlib.sha256(content).hexdigest())
    assert pq.read_table(tmp_path / path)["key"].to_pylist() == ["a", "b"]


def test_an_empty_shard_has_its_columns(tmp_path):
    path, rows, _, _ = write_shard(
        (("dataset/en", 0), [b""]), ShardSettings(str(tmp_path), ["dataset/en"], 1)
    ).listed[0]
    assert rows == 0
    assert pq.read_schema(tmp_path / path).equals(ROW_SCHEMA)


def test_what_speaks_of_people_goes_to_a_private_file(tmp_path):
    private = tmp_path / "work"
    settings = ShardSettings(str(tmp_path / "out"), ["dataset/en"], 1, private=str(private))
    cells = {KEY: "a", "private_tags": ["medical_text"], "face_count": 2, "tags": ["rights_x"]}
    packed = pack([[cells.get(name) for name in SHUFFLED_SCHEMA.names]], SHUFFLED_SCHEMA)
    path, *_ = write_shard((("dataset/en", 0), [row("b"), packed]), settings).listed[0]

    published = pq.read_table(tmp_path / "out" / path)
    assert published.column_names == published_names("private")
    assert not {column.name for column in GUARDED} & set(published.column_names)
    assert published["tags"].to_pylist() == [["rights_x"], None]

    sidecar = private / path.replace("dataset", "sensitive")
    assert sidecar.stat().st_mode & 0o777 == 0o600
    table = pq.read_table(sidecar)
    assert table.column_names == list(SIDECAR_COLUMNS)
    assert table["private_tags"].to_pylist() == [["medical_text"], None]
    assert table["face_count"].to_pylist() == [2, None]


@given(
    keys=st.lists(st.text("abc", min_size=1, max_size=4), unique=True, max_size=8),
    random=st.randoms(),
)
def test_the_same_rows_give_the_same_bytes(keys, random, tmp_path_factory):
    settings = ShardSettings(str(tmp_path_factory.mktemp("s")), ["dataset/en"], 1)
    first = write_shard((("dataset/en", 0), [row(k) for k in keys]), settings)
    random.shuffle(keys)
    assert write_shard((("dataset/en", 0), [row(k) for k in keys]), settings) == first


def test_readers_find_statistics_a_page_index_and_the_order(tmp_path):
    path, *_ = write_shard(
        (("dataset/en", 0), [row("b"), row("a")]), ShardSettings(str(tmp_path), ["dataset/en"], 1)
    ).listed[0]
    group = pq.ParquetFile(tmp_path / path).metadata.row_group(0)
    key = ROW_SCHEMA.get_field_index(KEY)
    assert (group.column(key).statistics.min, group.column(key).statistics.max) == ("a", "b")
    assert group.column(key).has_offset_index
    assert group.column(key).has_column_index
    assert [c.column_index for c in group.sorting_columns] == [key]
    assert group.column(key).compression == "ZSTD"


@pytest.mark.parametrize(
    ("rows", "at_least", "rows_per_shard", "shards"),
    [
        (0, 4, 1000, 4),
        (10_000, 1, 1000, 13),
        (10_000, 32, 1000, 32),
        (5, 1, 1, 5),
        (1_000_000, 16, 1_000_000, 16),
        (3_000_000, 1, 1_000_000, 4),
    ],
)
def test_so_many_shards_that_none_is_too_large(rows, at_least, rows_per_shard, shards):
    assert shard_count(rows, at_least, rows_per_shard) == shards


def test_no_shard_holds_more_than_it_may():
    keys = [hashlib.blake2b(str(n).encode(), digest_size=16).digest() for n in range(50_000)]
    shards = shard_count(len(keys), 1, 500)
    assert max(Counter(shard_of(key, shards) for key in keys).values()) <= 500


def test_batches_of_a_key_are_one_element_behind_a_bundle(tmp_path):
    """The launcher holds every element, and a bundle of many rows has many batches of a shard."""
    batches = [(f"key {n % 3}", bytes([n]) * n) for n in range(1, 100)]
    spill = Spill(str(tmp_path), bool)
    spill.start_bundle()
    for batch in batches:
        assert list(spill.process(batch)) == []
    elements = [windowed.value for windowed in spill.finish_bundle()]
    assert sorted(key for key, _ in elements) == ["key 0", "key 1", "key 2"]
    for key, spilled in elements:
        assert list(read_batches([spilled])) == [batch for of, batch in batches if of == key]


def test_what_is_spilled_gives_the_same_shards(tmp_path):
    """The shuffle carries places then; a batch that is not there whole stops the run."""
    rows = [
        ShardRow(
            "dataset/en",
            n % 2,
            tuple(f"k{n}" if name == KEY else None for name in SHUFFLED_SCHEMA.names),
        )
        for n in range(100)
    ]
    made = {}
    for name, spill in (("through", ""), ("spilled", str(tmp_path / "batches"))):
        settings = ShardSettings(str(tmp_path / name), ["dataset/en"], 2, spill=spill)
        with test_pipeline.TestPipeline() as pipeline:
            packed = pipeline | beam.Create([PartRows(rows)]) | PackByShard(settings)
            _ = packed | beam.GroupByKey() | WriteShards(settings)
        made[name] = [path.read_bytes() for path in sorted((tmp_path / name).rglob("*.parquet"))]
    assert made["through"] == made["spilled"]
    (batches,) = (tmp_path / "batches").iterdir()
    batches.write_bytes(batches.read_bytes()[:-9])
    place = Spilled(str(batches), ((0, batches.stat().st_size + 9),))
    with pytest.raises(ValueError, match="is cut off"):
        write_shard((("dataset/en", 0), [place]), ShardSettings(str(tmp_path), ["dataset/en"], 1))

"""Shards are indexed by themselves, by any worker; together they find what one pass finds.

Right answers come from looking through all captions.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("tantivy")

from pairsieve.records.manifest import ListedFile, Manifest
from pairsieve.search.find import Query, open_search
from pairsieve.search.index import SHARDS, build, make_pieces
from pairsieve.search.piece import WORDS
from pairsieve.search.segments import MANAGED, MAX_SEGMENTS, META
from pairsieve.search.vectors import VectorSettings
from pairsieve.storage.marked import NotOurs
from pipeline.orchestrate import index_job
from pipeline.orchestrate.engine import make_engine
from pipeline.orchestrate.index_job import IndexJobs
from transforms.index.pieces import fetch_pieces, make_indexing

COLOURS = ("red", "green", "blue", "grey")
THINGS = ("cat", "dog", "bird", "house", "tree")


def caption_of(number):
    return f"a {COLOURS[number % 4]} {THINGS[number // 4 % 5]} {number}"


def dataset_of(folder, rows_of_shards):
    """Write a dataset with vectors whose shards have so many rows; return its manifest."""
    listed = []
    first = 0
    for shard, rows in enumerate(rows_of_shards):
        numbers = range(first, first + rows)
        first += rows
        table = pa.table(
            {
                "URL": pa.array([f"https://a.example/{n}.jpg" for n in numbers], pa.string()),
                "TEXT": pa.array([caption_of(n) for n in numbers], pa.string()),
                "similarity": pa.array([0.3] * rows, pa.float32()),
                "pdq": pa.array([f"{n:064x}" for n in numbers], pa.string()),
            }
        )
        vectors = np.eye(64, dtype=np.float16)[[n % 64 for n in numbers]].reshape(rows, 64)
        name = f"en/part-{shard:05d}-of-00009"
        for path in (f"dataset/{name}.parquet", f"embeddings/{name}.npy"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            listed.append(ListedFile(path, rows, 1, f"{path} {rows}"))
        pq.write_table(table, folder / f"dataset/{name}.parquet")
        np.save(folder / f"embeddings/{name}.npy", vectors)
    config = {"score": {"routes": {"en": "m"}}}
    return Manifest(name="made up", files=listed, models={"m": {}}, config=config)


def without_first_shard(manifest):
    gone = ("dataset/en/part-00000", "embeddings/en/part-00000")
    files = [file for file in manifest.files if not file.path.startswith(gone)]
    return replace(manifest, files=files, version=manifest.version + 1)


def index_of(dataset, manifest, place, make=make_pieces):
    return build(str(dataset), manifest, str(place), VectorSettings(), make)


def check_finds(place, numbers):
    """Words, exact values, hashes and vectors find the rows with these numbers, and no others."""
    search = open_search(str(place))
    for words in ("cat", "red dog", "17", "blue -bird"):
        wanted, unwanted = [], []
        for word in words.split():
            (unwanted if word.startswith("-") else wanted).append(word.removeprefix("-"))
        matching = [
            number
            for number in numbers
            if set(wanted) <= set(caption_of(number).split())
            and not set(unwanted) & set(caption_of(number).split())
        ]
        results = search.by_words(Query(words, per_page=100))
        assert results.total == len(matching), words
        found = {hit.row["TEXT"] for hit in results.hits}
        assert found <= {caption_of(number) for number in matching}
        assert len(found) == min(100, len(matching))
    for number in (*numbers[:2], *numbers[-2:]):
        url = Query(image_url=f"https://a.example/{number}.jpg")
        assert [hit.row["TEXT"] for hit in search.by_words(url).hits] == [caption_of(number)]
    vector = np.eye(64, dtype=np.float32)[numbers[0] % 64]
    nearest = search.nearest("m", vector, 1000)
    same = [number for number in numbers if number % 64 == numbers[0] % 64]
    assert sum(cosine > 0.99 for _, _, cosine in nearest) == len(same)
    digits = bytes.fromhex(f"{numbers[-1]:064x}")
    assert any(bits == 0 for _, bits in search._hashes.alike([digits]))


def names_below(folder):
    return sorted(path.name for path in folder.iterdir())


def test_shards_together(tmp_path):
    manifest = dataset_of(tmp_path / "out", [30, 0, 50, 1])
    assert index_of(tmp_path / "out", manifest, tmp_path / "index") == (4, 4)
    check_finds(tmp_path / "index", range(81))
    # Nothing is left of the pieces' own words.
    assert not list((tmp_path / "index" / SHARDS).glob(f"*/{WORDS}"))


def test_a_shard_goes_and_another_comes(tmp_path):
    whole = dataset_of(tmp_path / "out", [30, 40, 50])
    index_of(tmp_path / "out", whole, tmp_path / "index")
    less = without_first_shard(whole)
    assert index_of(tmp_path / "out", less, tmp_path / "index") == (0, 2)
    check_finds(tmp_path / "index", range(30, 120))
    assert names_below(tmp_path / "index" / SHARDS) == ["00001", "00002"]
    again = replace(whole, version=3)
    assert index_of(tmp_path / "out", again, tmp_path / "index") == (1, 3)
    check_finds(tmp_path / "index", range(120))


def test_a_shard_changes(tmp_path):
    """It gets the number of the one that it replaces."""
    whole = dataset_of(tmp_path / "out", [40, 30])
    index_of(tmp_path / "out", whole, tmp_path / "index")
    changed = replace(dataset_of(tmp_path / "out", [40, 20]), version=2)
    assert index_of(tmp_path / "out", changed, tmp_path / "index") == (1, 2)
    check_finds(tmp_path / "index", range(60))
    assert names_below(tmp_path / "index" / SHARDS) == ["00000", "00001"]


def test_many_segments_are_merged(tmp_path):
    shards = MAX_SEGMENTS + 5
    manifest = dataset_of(tmp_path / "out", [7] * shards)
    index_of(tmp_path / "out", manifest, tmp_path / "index")
    words = tmp_path / "index" / WORDS
    segments = json.loads((words / META).read_text())["segments"]
    assert len(segments) <= MAX_SEGMENTS
    check_finds(tmp_path / "index", range(7 * shards))
    # What was merged is gone: tantivy knows the files that came from pieces as its own.
    names = {segment["segment_id"].replace("-", "") for segment in segments}
    data = [path.stem for path in words.iterdir() if not path.name.startswith((".", META))]
    assert set(data) == names
    assert (words / MANAGED).exists()


@pytest.fixture
def two_workers(monkeypatch):
    monkeypatch.setattr(index_job, "FEW_ROWS", 0)
    return IndexJobs(make_engine(["--direct_num_workers=2"]))


def test_by_workers(tmp_path, two_workers):
    manifest = dataset_of(tmp_path / "out", [30, 40, 50])
    index_of(tmp_path / "out", manifest, tmp_path / "index", two_workers.make)
    check_finds(tmp_path / "index", range(120))
    assert names_below(tmp_path) == ["index", "out"]


def test_nothing_of_others_is_removed(tmp_path, two_workers):
    manifest = dataset_of(tmp_path / "out", [30])
    (tmp_path / "index.job").mkdir()
    (tmp_path / "index.job" / "letter.txt").write_text("dear")
    with pytest.raises(NotOurs, match="move it away"):
        index_of(tmp_path / "out", manifest, tmp_path / "index", two_workers.make)
    assert (tmp_path / "index.job" / "letter.txt").read_text() == "dear"


def test_by_workers_elsewhere(tmp_path, two_workers, monkeypatch):
    """Their pieces come from beside the dataset, and nothing is left there."""
    fetched = []

    def fetch(folder, shards, target):
        fetched.append(folder)
        fetch_pieces(folder, shards, target)

    monkeypatch.setattr(index_job, "LOCAL_RUNNERS", ())
    monkeypatch.setattr(index_job, "fetch_pieces", fetch)
    (tmp_path / "data").mkdir()
    (tmp_path / "here").mkdir()
    manifest = dataset_of(tmp_path / "data" / "out", [30, 40])
    index_of(tmp_path / "data" / "out", manifest, tmp_path / "here" / "index", two_workers.make)
    assert fetched == [str(tmp_path / "data" / "out.index.job")]
    check_finds(tmp_path / "here" / "index", range(70))
    assert names_below(tmp_path / "data") == ["out"]


def test_pieces_through_an_object_store(tmp_path):
    manifest = dataset_of(tmp_path / "out", [30, 40])
    store = "memory://pieces-of-an-index"

    def make(shards, folder):
        index_shard = make_indexing(store)
        for shard in shards:
            assert [str(count.outcome) for count in index_shard(shard)] == ["kept"]
        fetch_pieces(store, shards, folder)

    index_of(tmp_path / "out", manifest, tmp_path / "index", make)
    check_finds(tmp_path / "index", range(70))


def test_an_attempt_after_a_failed_one(tmp_path):
    """A runner repeats what failed; what lies there already is not indexed twice."""
    manifest = dataset_of(tmp_path / "out", [30])

    def make(shards, folder):
        make_pieces(shards, folder)
        make_pieces(shards, folder)

    index_of(tmp_path / "out", manifest, tmp_path / "index", make)
    check_finds(tmp_path / "index", range(30))

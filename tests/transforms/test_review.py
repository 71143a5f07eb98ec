"""The release check of a shard, by columns, against a look at every row."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from itertools import cycle, islice

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairsieve.search.sources import Source
from pairsieve.storage.sealed import Damaged
from tests.support.frozen_texts import frozen_texts
from transforms.review import review
from transforms.review.findings import RISKS, Looks, Reviewer
from transforms.review.looks import looks_of
from transforms.review.review import (
    NumberedShard,
    ReviewSettings,
    load_reviewer,
    merge_reviews,
    review_shard,
)

SHARD = "dataset/en/part-00000-of-00001.parquet"
CELLS = {
    "LANGUAGE": ["en", "de", "", None, "ja"],
    "URL": ["https://a.example/1.jpg", "https://b.example/anna%40example.org.jpg"],
    "final_url": [None, "https://a.example/1.jpg", "https://c.example/?tel=030901820"],
    "page_url": ["https://kita.example/kindergarten/", "https://p.example/", "", None],
    "crawl_time": ["2026-11-01T12:00:00Z", "2026-11-01T12:00:00Z", None],
    "page_source": ["warc", "warc", "none", None],
    "face_count": [None, 0, 0, 2],
    "medical_picture_score": [None, 0.1, 0.1, 0.5, 0.9],
    "tags": [None, [], ["faces"], ["faces", "document_form"]],
}
TEXTS = [*frozen_texts()[::5], None, "", "\0x-ray of the knee\0", "[EMAIL] knee [PHONE] swollen"]


def made_table(seed, columns=tuple(CELLS)):
    rng = random.Random(seed)
    rows = len(TEXTS)
    cells = {name: [rng.choice(CELLS[name]) for _ in range(rows)] for name in columns}
    keys = [f"{number:032x}" for number in range(rows)]
    table = pa.table({"TEXT": TEXTS, "key": keys, **cells})
    types = {"medical_picture_score": pa.float32(), "face_count": pa.int32()}
    for name in columns:
        if name in types:
            at = table.column_names.index(name)
            table = table.set_column(at, name, table.column(name).cast(types[name]))
    return table


def written(table, folder):
    path = folder / SHARD
    path.parent.mkdir(parents=True)
    pq.write_table(table, path, row_group_size=300)
    return NumberedShard(0, Source(SHARD, "", table.num_rows))


def row_by_row(table, reviewer):
    """{number from 1: findings} of all rows that have some."""
    findings = {
        number: tuple(reviewer.findings(row)) for number, row in enumerate(table.to_pylist(), 1)
    }
    return {number: found for number, found in findings.items() if found}


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("columns", [tuple(CELLS), ("URL",), ("LANGUAGE", "tags", "page_url")])
def test_the_findings_are_those_of_every_row(seed, columns, tmp_path, monkeypatch):
    monkeypatch.setattr(review, "MAX_LISTED", 10_000)
    monkeypatch.setattr(review, "BATCH_ROWS", 700)
    table = made_table(seed, columns)
    settings = ReviewSettings(str(tmp_path))
    got = review_shard(written(table, tmp_path), settings, load_reviewer(settings))
    expected = row_by_row(table, Reviewer())
    assert {row.place[1]: row.findings for row in got.riskiest} == expected
    kinds = [{finding.kind for finding in found} for found in expected.values()]
    assert got.counts == Counter(kind for of_row in kinds for kind in of_row)
    assert got.rows == table.num_rows
    if columns == tuple(CELLS):
        assert set(got.counts) >= {"personal_data", "medical_words", "child", "document"}


def test_most_rows_are_not_looked_at():
    quiet = list(islice(cycle(["Sunset over the bay", "Green tea, 100 g", "Logo 2019"]), 300))
    table = pa.table(
        {
            "URL": ["https://a.example/1.jpg"] * 300,
            "TEXT": quiet,
            "LANGUAGE": ["en"] * 300,
            "page_url": ["https://a.example/"] * 300,
            "crawl_time": ["2026"] * 300,
        }
    )
    assert not list(looks_of(table, Reviewer(), [None] * 300).rows())
    looks = looks_of(table, Reviewer(), [None] * 299 + [0.7])
    assert list(looks.rows()) == [(299, Looks(*[False] * 4))]


def test_lists_ask_for_a_look_at_every_row():
    table = pa.table({"URL": ["https://a.example/1.jpg"] * 3, "sha256": ["a" * 64, None, "b" * 64]})
    reviewer = Reviewer(example_digests=frozenset({"b" * 64}))
    assert len(list(looks_of(table, reviewer, [None] * 3).rows())) == 3


def test_a_vector_says_more_than_a_column():
    table = pa.table({"medical_picture_score": [0.9, 0.9, 0.1], "page_source": ["none"] * 3})
    rows = [row for row, _ in looks_of(table, Reviewer(), [0.1, None, 0.8]).rows()]
    assert rows == [1, 2]


def test_cells_that_are_private_count(tmp_path, monkeypatch):
    table = pa.table({"TEXT": ["a bay"] * 2, "page_source": ["none"] * 2, "key": ["1", "2"]})
    shard = written(table, tmp_path)
    monkeypatch.setattr(review, "read_cells", lambda *_: {"2": {"medical_picture_score": 0.8}})
    settings = ReviewSettings(str(tmp_path))
    got = review_shard(shard, settings, load_reviewer(settings))
    assert [(row.place, row.risk) for row in got.riskiest] == [((0, 2), RISKS["medical_picture"])]
    assert merge_reviews([got, got]).rows == 4


class TwoScores:
    """Stands for the vectors of a model, of which there are two."""

    def scores(self, dataset, shard):
        return iter([0.1, 0.8])


def test_fewer_vectors_than_rows_are_damage(tmp_path):
    table = pa.table({"TEXT": ["a bay"] * 3, "page_source": ["none"] * 3, "key": ["1", "2", "3"]})
    shard = written(table, tmp_path)
    vectors = "embeddings/en/part-00000-of-00001.npy"
    shard = replace(shard, source=replace(shard.source, vectors=vectors))
    settings = ReviewSettings(str(tmp_path), vectors=TwoScores())
    with pytest.raises(Damaged, match=vectors):
        review_shard(shard, settings, load_reviewer(settings))


def test_an_empty_shard(tmp_path):
    table = made_table(1).slice(0, 0)
    settings = ReviewSettings(str(tmp_path))
    assert review_shard(written(table, tmp_path), settings, load_reviewer(settings)).rows == 0
    assert np.array(looks_of(table, Reviewer(), []).personal).shape == (0,)

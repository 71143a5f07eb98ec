"""Which rows of a copy go, by whatever columns it has kept."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.copies.erased import TOKENS, Erased, erased_of, names_in
from pairsieve.copies.layout import layout_of
from pairsieve.copies.tables import judge, read_table, read_vectors, without_rows, without_vectors
from pairsieve.erasure.tombstones import Key

KEY = Key("", bytes(32))
A, B = "a" * 32, "b" * 32
URL_A, URL_B = "https://a.example/1.jpg", "https://b.example/2.jpg"


def erased(*rows: dict[str, object]) -> Erased:
    """What a list of these rows tells; it has the columns that the dataset has."""
    names = [name for name in TOKENS if name in rows[0]]
    tokens = [
        {name: KEY.token(name, str(row[name])) if row.get(name) else None for name in names}
        for row in rows
    ]
    return erased_of(KEY, [pa.Table.from_pylist(tokens)])


LIST = erased({"key": A, "SAMPLE_ID": 7, "hash": 8, "URL": URL_A, "sha256": "aa"})


@pytest.mark.parametrize(
    ("row", "is_erased", "is_known"),
    [
        ({"key": A}, True, True),
        ({"key": B}, False, True),
        # Another caption of the same picture: not asked for, and the key tells them apart.
        ({"key": B, "URL": URL_A}, False, True),
        ({"key": "000000001", "URL": URL_A}, True, True),
        ({"key": "000000001", "URL": URL_B}, False, True),
        ({"key": "000000001"}, False, False),
        ({"SAMPLE_ID": 7}, True, True),
        # Copies are numbered anew: another number does not save a row.
        ({"SAMPLE_ID": 1, "URL": URL_A}, True, True),
        ({"hash": 8, "URL": URL_B}, True, True),
        ({"URL": URL_A}, True, True),
        ({"URL": URL_B, "sha256": "aa"}, False, True),
        ({"URL": "", "sha256": "aa"}, True, True),
        ({"URL": None, "sha256": None}, False, False),
        ({}, False, False),
        # The dataset has no uid, so that of a copy tells nothing.
        ({"uid": A}, False, False),
    ],
)
def test_what_decides(row, is_erased, is_known):
    verdict = LIST.judge(row)
    assert (verdict.erased, verdict.known) == (is_erased, is_known)


def test_every_list_must_be_able_to_tell():
    """The first list is of a version without tokens of URLs."""
    old = pa.Table.from_pylist([{"key": KEY.token("key", A)}])
    new = pa.Table.from_pylist([{"key": KEY.token("key", B), "URL": KEY.token("URL", URL_B)}])
    both = erased_of(KEY, [old, new])
    assert both.judge({"URL": URL_B}).erased
    assert not both.judge({"URL": URL_A}).known
    assert both.judge({"key": "c" * 32}).known


def test_names_of_columns():
    assert names_in(["url", "caption", "key"]) == {"key": "key", "URL": "url"}
    assert names_in(["IMAGE_URL", "Url"]) == {"URL": "Url"}


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from([A, B, "c" * 32]),
            "url": st.sampled_from([URL_A, URL_B, None]),
            "sha256": st.sampled_from(["aa", "bb", None]),
        }
    ),
    min_size=1,
)


@given(ROWS, st.sets(st.sampled_from(["key", "url", "sha256"]), min_size=1), st.booleans())
def test_no_erased_row_is_left_and_no_vector_moves(rows, columns, keeps_positions):
    """The oracle is the plain reading of the rule, row by row."""
    rows = [{name: row[name] for name in sorted(columns)} for row in rows]
    table = pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in sorted(columns)]))
    content = without_rows("t.parquet", _parquet(table), [], False, True)
    found = judge(table, erased({"key": A, "URL": URL_A, "sha256": "aa"}), keeps_positions)
    goes = [_goes(row) for row in rows]
    assert found.erased == [number for number, gone in enumerate(goes) if gone]
    left = read_table(
        "t.parquet", without_rows("t.parquet", content, found.erased, keeps_positions, False)
    ).to_pylist()
    vectors = read_vectors(
        without_vectors(_vectors(len(rows)), found.erased, keeps_positions)
    ).tolist()
    assert len(left) == len(vectors)
    numbered = [(row, [float(n)]) for n, row in enumerate(rows, start=1)]
    stays = [pair for pair, gone in zip(numbered, goes, strict=True) if not gone]
    kept = [pair for pair in zip(left, vectors, strict=True) if pair[1] != [0.0]]
    if not keeps_positions:
        assert kept == stays
    else:
        assert [vector for _, vector in kept] == [vector for _, vector in stays]
        emptied = [pair[0] for pair in zip(left, vectors, strict=True) if pair[1] == [0.0]]
        assert all(not any(row.values()) for row in emptied)


def _goes(row: dict[str, str | None]) -> bool:
    if "key" in row:
        return row["key"] == A
    if row.get("url"):
        return row["url"] == URL_A
    return row.get("sha256") == "aa"


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def _vectors(number: int):
    return np.arange(1, number + 1, dtype=np.float32)[:, None]


def test_files_that_belong_together():
    layout = layout_of(
        [
            "00000.parquet", "00000.tar", "00000_stats.json", "00001.tar",
            "manifest.json", "erasures/delta-00002.parquet", "ledger/part.parquet",
            "dataset/en/p.parquet", "embeddings/en/p.npy",
            "clip/metadata/metadata_0.parquet", "clip/img_emb/img_emb_0.npy",
            "clip/image.index", "clip/image.json",
            "files/000000001.jpg", "files/000000001.json", "odd.csv", "lonely.npy",
        ]
    )  # fmt: skip
    groups = {group.table or [*group.archives, *group.loose][0]: group for group in layout.groups}
    assert groups["00000.parquet"].archives == ["00000.tar"]
    assert groups["00001.tar"].table == ""
    assert groups["dataset/en/p.parquet"].vectors == ["embeddings/en/p.npy"]
    clip = groups["clip/metadata/metadata_0.parquet"]
    assert (clip.vectors, clip.keeps_positions) == (["clip/img_emb/img_emb_0.npy"], True)
    assert groups["files/000000001.jpg"].loose == ["files/000000001.jpg", "files/000000001.json"]
    assert len(groups) == 5
    assert layout.others == ["clip/image.index", "lonely.npy", "odd.csv"]

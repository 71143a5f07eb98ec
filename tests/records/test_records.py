from __future__ import annotations

from dataclasses import fields

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.records.ledger import LEDGER_SCHEMA, entry, keyed
from pairsieve.records.outcome import Counted, Rejection, balance, tally_of
from pairsieve.records.page import LOCATION_SCHEMA, Location
from pairsieve.records.pair import PAIR_SCHEMA, Pair, pack_pairs, unpack_pairs
from pairsieve.records.row import COLUMNS, ROW_SCHEMA, SHUFFLED_SCHEMA, row_of
from pairsieve.records.sample import IMAGE_SCHEMA, SCORE_SCHEMA, Image, Sample, Score
from pairsieve.records.table import (
    from_table,
    schema_with,
    to_table,
    vectors_from_arrow,
    vectors_to_arrow,
)


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (Pair, PAIR_SCHEMA),
        (Image, IMAGE_SCHEMA),
        (Score, SCORE_SCHEMA),
        (Location, LOCATION_SCHEMA),
    ],
)
def test_every_field_has_its_column(kind, schema):
    assert [f.name for f in fields(kind) if f.name != "evidence"] == schema.names


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
pairs = st.builds(
    Pair, key=st.binary(min_size=16, max_size=16), url=texts, caption=texts, subset=texts,
    language=texts, page_url=texts, warc_file=texts,
    record_offset=st.integers(0, 2**62), payload_digest=texts, crawl_time=texts, position=st.integers(0, 1000),
    evidence=st.fixed_dictionaries({"signals": st.lists(texts, max_size=3).map(tuple), "licence": st.none() | texts}),
)  # fmt: skip
EVIDENCE = {"signals": pa.list_(pa.string()), "licence": pa.string()}


@given(st.lists(pairs, max_size=4))
def test_tables_give_back_what_went_in(found):
    assert (
        from_table(to_table(found, schema_with(PAIR_SCHEMA, EVIDENCE)), Pair, PAIR_SCHEMA) == found
    )


@given(pairs)
def test_shuffled_pairs_come_back(pair):
    assert list(unpack_pairs(pack_pairs([pair, pair]))) == [pair, pair]


def test_image_and_score_survive_a_table():
    image = Image(b"k" * 16, "ok", 200, sha256="ab", errors=("A",), evidence={"x": None})
    assert from_table(
        to_table([image], schema_with(IMAGE_SCHEMA, {"x": pa.int32()})), Image, IMAGE_SCHEMA
    ) == [image]
    vector = np.array([0.5, -0.25], np.float16)
    score = Score(b"k" * 16, "ok", 3, 4, "PNG", 0.5, "m", "fp32", vector, evidence={"x": 1.5})
    (found,) = from_table(
        to_table([score], schema_with(SCORE_SCHEMA, {"x": pa.float32()})), Score, SCORE_SCHEMA
    )
    assert found == score
    assert found.embedding.tolist() == [0.5, -0.25]


@given(
    vectors=st.lists(st.none() | st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3)),
    cut=st.integers(0, 5),
)
def test_vectors_are_rounded_as_arrow_rounds_numbers(vectors, cut):
    """Through arrays the column is the one that Arrow makes of Python's numbers."""
    arrays = [None if one is None else np.array(one, np.float32) for one in vectors]
    column = vectors_to_arrow(arrays)
    assert column.equals(pa.array(vectors, pa.list_(pa.float16())))
    back = vectors_from_arrow(pa.chunked_array([column[:cut], column[cut:]]))
    assert [one if one is None else one.dtype for one in back] == [
        one if one is None else np.float16 for one in vectors
    ]
    assert [one if one is None else one.tolist() for one in back] == column.to_pylist()


def test_evidence_may_not_hide_a_column():
    with pytest.raises(ValueError, match=r"\['url'\] have the names of record columns"):
        schema_with(PAIR_SCHEMA, {"url": pa.string()})


def test_laions_columns_come_first_with_their_types():
    laion = {"SAMPLE_ID": "int64", "URL": "string", "TEXT": "string", "HEIGHT": "int32", "WIDTH": "int32", "LICENSE": "string", "NSFW": "string",
             "similarity": "double", "hash": "int64", "LANGUAGE": "string",
             "punsafe": "float"}  # fmt: skip
    assert {column.name: str(column.type) for column in COLUMNS[: len(laion)]} == laion
    assert len(set(ROW_SCHEMA.names)) == len(COLUMNS)


def test_a_row():
    pair = Pair(
        b"\xff" * 16,
        "https://a.example/p.jpg",
        "words",
        "en",
        "en",
        "page",
        "f",
        1,
        "d",
        "t",
        0,
        {"licence": None},
    )
    sample = Sample(
        pair, Image(pair.key, "ok", 200), Score(pair.key, "ok", 30, 20, "PNG", 0.5, "m")
    )
    derived = {"text": "words", "public_key": pair.key, "tags": ("a",), "public_warc_file": "f"}
    derived["private_tags"] = ("b",)
    row = dict(zip(SHUFFLED_SCHEMA.names, row_of({**sample.columns(), **derived}), strict=True))
    assert (row["WIDTH"], row["HEIGHT"], row["LICENSE"], row["tags"]) == (30, 20, "?", ["a"])
    assert row["SAMPLE_ID"] == 2**63 - 1
    assert row["hash"] == 857451670636911819, "mmh3.hash64(URL + TEXT)[0]"


def test_ledger_entries():
    identity = keyed(b"secret", b"key")
    assert len(identity) == 16
    assert identity != keyed(b"other", b"key")
    assert len(entry(identity, "publish", ("r", 1), "drop", "why", 0.12345)) == len(LEDGER_SCHEMA)
    assert entry(identity, "publish", ("r", 1), "drop", "why", 0.12345)[-1] == 0.123


def test_balance():
    tally = tally_of(
        [
            Counted("page", "in", 4),
            Counted("page", "kept"),
            Rejection("page", "x"),
            Rejection("page", "y", number=1),
            Rejection("page", "e", "quarantined"),
        ]
    )
    counts = balance(tally, "page")
    assert counts.adds_up
    assert counts.dropped == {"x": 1, "y": 1}
    assert counts.quarantined == {"e": 1}
    assert not balance(tally_of([Counted("page", "in")]), "page").adds_up

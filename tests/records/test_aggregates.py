"""The numbers of card and report: right beside plain Python, and the same in any order."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.records.aggregates import (
    MAX_LARGEST,
    SCORES,
    SIZES,
    Aggregates,
    Largest,
    count_decisions,
    count_rows,
    read_aggregates,
    sum_aggregates,
)
from pairsieve.records.ledger import LEDGER_SCHEMA, entry

ROWS = pa.schema(
    [
        ("LANGUAGE", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("face_count", pa.int32()),
        ("similarity", pa.float64()),
        ("punsafe", pa.float32()),
        ("WIDTH", pa.int32()),
        ("size_bytes", pa.int64()),
        ("crawl_time", pa.string()),
        ("fetched_at", pa.int64()),
        ("unknown", pa.string()),
    ]
)
words = st.none() | st.sampled_from(["", "en", "de", "zh-Latn"])
row_lists = st.lists(
    st.fixed_dictionaries(
        {
            "LANGUAGE": words,
            "tags": st.none() | st.lists(st.sampled_from(["medical_text", "x"]), max_size=3),
            "face_count": st.none() | st.integers(0, 9),
            "similarity": st.none() | st.floats(),
            "punsafe": st.none() | st.floats(0, 1, width=32),
            "WIDTH": st.none() | st.integers(0, 2**31 - 1),
            "size_bytes": st.none() | st.integers(-5, 2**50),
            "crawl_time": st.none() | st.sampled_from(["", "2014-05", "2024-01", "2024-01-02"]),
            "fetched_at": st.none(),
            "unknown": words,
        }
    ),
    max_size=12,
)
decision_lists = st.lists(
    st.builds(
        lambda stage, action, reason, score: entry(b"k", stage, ("r", 1), action, reason, score),
        st.sampled_from(["fetch", "publish"]),
        st.sampled_from(["drop", "tag"]),
        st.sampled_from(["similarity_low", "nudity", "image_bytes_low"]),
        st.none() | st.floats(-1, 1),
    ),
    max_size=12,
)
top_lists = st.lists(st.integers(1, 50), max_size=30).map(
    lambda numbers: Counter({f"d{place}.example": rows for place, rows in enumerate(numbers)})
)


def rows_table(rows) -> pa.Table:
    return pa.Table.from_pylist(rows, ROWS)


def ledger_table(decisions) -> pa.Table:
    named = [dict(zip(LEDGER_SCHEMA.names, decision, strict=True)) for decision in decisions]
    return pa.Table.from_pylist(named, LEDGER_SCHEMA)


def plain_counts(rows, name) -> Counter[str]:
    """As a plain loop counts: entries of lists by themselves, no value as an empty text."""
    counted = Counter()
    for row in rows:
        values = row[name] if isinstance(row[name], list) else [row[name]]
        counted.update("" if value is None else str(value) for value in values)
    return counted


@given(rows=row_lists)
def test_values_as_a_plain_loop_counts_them(rows):
    found = count_rows(rows_table(rows))
    assert found.rows == len(rows)
    assert found.columns == tuple(ROWS.names)
    for name in ("LANGUAGE", "tags", "face_count"):
        assert found.counted[name] == plain_counts(rows, name)
    assert "unknown" not in found.counted


@given(rows=row_lists)
def test_the_first_and_the_last_time(rows):
    times = sorted(row["crawl_time"] for row in rows if row["crawl_time"])
    expected = {"crawl_time": (times[0], times[-1])} if times else {}
    assert count_rows(rows_table(rows)).spans == expected


@given(rows=row_lists)
def test_bins_as_numpy_counts_them(rows):
    found = count_rows(rows_table(rows))
    for name, scale in (("similarity", SCORES), ("WIDTH", SIZES), ("size_bytes", SIZES)):
        values = np.array([row[name] for row in rows if row[name] is not None], float)
        values = values[np.isfinite(values)]
        # the outermost bins hold what lies beyond them
        inside = np.clip(values, scale.edges[0], scale.edges[-1])
        numbers, _ = np.histogram(inside, scale.edges)
        bins = np.flatnonzero(numbers)
        assert found.measured[name] == dict(zip(bins.tolist(), numbers[bins].tolist(), strict=True))


@given(decisions=decision_lists)
def test_decisions_as_a_plain_loop_counts_them(decisions):
    found = count_decisions(ledger_table(decisions))
    assert found.reasons == Counter(
        (stage, rule, action, reason) for _, stage, rule, _, action, reason, _ in decisions
    )
    for reason in ("similarity_low", "nudity"):
        dropped = [
            score
            for *_, action, its_reason, score in decisions
            if (action, its_reason) == ("drop", reason) and score is not None
        ]
        assert sum(found.dropped.get(reason, {}).values()) == len(dropped)
        for score in dropped:
            # three digits: each score begins a bin of its own, but for 1, which the last one holds
            assert min(round(score * 1000) + 1000, 1999) in found.dropped[reason]
    assert "image_bytes_low" not in found.dropped


def parts(draw) -> list[Aggregates]:
    """Aggregates of some shards, and the domains of some buckets, which differ."""
    counted = [count_rows(rows_table(rows)) for rows in draw(st.lists(row_lists, max_size=4))]
    counted += [
        count_decisions(ledger_table(d)) for d in draw(st.lists(decision_lists, max_size=3))
    ]
    domains = draw(top_lists)
    buckets = draw(st.integers(1, 4))
    for bucket in range(buckets):
        names = sorted(domains)[bucket::buckets]
        of_bucket = Largest.of({name: domains[name] for name in names})
        counted.append(Aggregates(domains=of_bucket))
    return counted


@given(data=st.data())
def test_any_order_and_grouping_gives_the_same_bytes(data):
    counted = parts(data.draw)
    text = sum_aggregates(counted).text()
    groups: list[list[Aggregates]] = [[] for _ in range(data.draw(st.integers(1, 4)))]
    for part in data.draw(st.permutations(counted)):
        data.draw(st.sampled_from(groups)).append(part)
    assert sum_aggregates(map(sum_aggregates, groups)).text() == text


@given(data=st.data())
def test_a_table_in_pieces_has_the_numbers_of_the_whole(data):
    rows = data.draw(row_lists)
    cut = data.draw(st.integers(0, len(rows)))
    pieces = [count_rows(rows_table(rows[:cut])), count_rows(rows_table(rows[cut:]))]
    assert sum_aggregates(pieces).text() == count_rows(rows_table(rows)).text()


@given(data=st.data())
def test_written_and_read(data):
    total = sum_aggregates(parts(data.draw))
    read = read_aggregates(total.text())
    assert read.text() == total.text()
    assert replace(read, counted={}, measured={}) == replace(total, counted={}, measured={})


@given(rows_of=top_lists, buckets=st.integers(1, 5))
def test_the_largest_of_buckets_are_the_largest_of_all(rows_of, buckets):
    total = Largest()
    for bucket in range(buckets):
        total += Largest.of({name: rows_of[name] for name in sorted(rows_of)[bucket::buckets]})
    ordered = sorted(rows_of.items(), key=lambda item: (-item[1], item[0]))
    assert total == Largest(len(rows_of), rows_of.total(), tuple(ordered[:MAX_LARGEST]))


@pytest.mark.parametrize(
    ("scale", "value", "left"),
    [
        (SCORES, 0.28, 0.28),
        (SCORES, 0.123, 0.123),
        (SCORES, 0.1239, 0.123),
        (SCORES, -1.0, -1.0),
        (SCORES, -7.0, -1.0),
        (SCORES, 1.0, 0.999),
        (SCORES, 88.0, 0.999),
        (SIZES, 0, 1),
        (SIZES, 1, 1),
        (SIZES, 1024, 1024),
        (SIZES, 1023, 1024 / 2 ** (1 / 16)),
    ],
)
def test_where_a_value_lies(scale, value, left):
    ((bin_number, rows),) = scale.count(pa.chunked_array([[float(value)]])).items()
    assert (scale.edges[bin_number], rows) == (pytest.approx(left), 1)


def test_what_has_no_place_on_an_axis():
    assert not SCORES.count(pa.chunked_array([[None, math.nan, math.inf, -math.inf]]))


def test_structures_of_others_are_counted_as_text():
    table = pa.table({"format": pa.array([{"a": 1}, {"a": 1}, None])})
    assert count_rows(table).counted["format"] == {"{'a': 1}": 2, "": 1}

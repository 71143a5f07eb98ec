"""A dataset of others holds what it holds: no row is in the way of an erasure, an index, a check, a
copy or a report.
"""

from __future__ import annotations

import json
from datetime import datetime
from importlib import import_module

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.erasure.match import Matcher
from pairsieve.erasure.requests import parse_request
from pairsieve.records.foreign import as_ours
from pairsieve.web.places import hosts_of, places_of
from pairsieve.web.urls import host_of

GOOD = "http://a.example/ok.jpg"
URLS = [
    GOOD, None, "", " ", "not a url", "http://", "http://[::1", "http://[::1/x", "http://]",
    "http://[a.example]/", "http://a.example\u2100b/",
    "http://a.example:99999/x", "http://a.example:port/x", "http://a.example/[x",
    "data:image/png;base64,AA", "//a.example/x", "http://\u202e/",
    "http://" + "a" * 5000 + "/", "http://a.example/" + "%" * 50, "http://xn--a/", "http://.../", "http://a..b/", "\0", "http://a.example/\0",
]  # fmt: skip
READ_AS_A_EXAMPLE = [
    GOOD, "http://a.example:99999/x", "http://a.example/[x", "http://ａ.example/1",
    "http://A.Example./1", "http:\\\\a.example\\1", "http://a.example\\@b.example/",
    "http://a.exa\tmple/1", "HTTP://A.EXAMPLE/", "http:a.example/1",
    " http://a.example/1", "http://%61.example/1", "http://u:p@a.example/1",
    "http://b.example@a.example/1", "https:/a.example/1", "http://ⓐ.example/",
]  # fmt: skip
DOMAIN = parse_request(json.dumps({"domain": "a.example"}))


def not_utf8(*values: bytes | None) -> pa.Array:
    """Text as some writers put it into parquet: bytes that say that they are UTF-8."""
    column = pa.array(values, pa.binary())
    return pa.StringArray.from_buffers(
        len(column),
        *reversed(list(reversed(column.buffers()))[:2]),
        null_bitmap=column.buffers()[0],
    )


LATIN = b"http://a.example/caf\xe9.jpg"
TYPES = {
    "text": pa.array(URLS),
    "large text": pa.array(URLS, pa.large_string()),
    "text in a dictionary": pa.array(URLS).dictionary_encode(),
    "bytes": pa.array([None if url is None else url.encode() for url in URLS], pa.binary()),
    "large bytes": pa.array([GOOD.encode(), LATIN, None], pa.large_binary()),
    "no UTF-8": not_utf8(GOOD.encode(), LATIN, None, b"\xff\xfe", b"\xed\xa0\x80"),
    "numbers": pa.array([1, None, 3]),
    "decimals": pa.array([1.5, None, float("nan")]),
    "truths": pa.array([True, None, False]),
    "times": pa.array([datetime(2026, 1, 1), None]),
    "lists": pa.array([[GOOD], None, []]),
    "structs": pa.array([{"url": GOOD}, None]),
    "nothing": pa.nulls(3),
}
OTHERS = {
    "TEXT": [7, None], "similarity": ["high", None], "WIDTH": ["wide", "1"], "tags": ["one", None], "rights_signals": [[1], None],
    "pdq": ["z" * 64, "ab" * 32], "sha256": [b"\xff" * 32, None], "md5": [5, None], "key": [1, None], "face_count": ["two", None],
    "punsafe": [[0.5], None], "NSFW": [{"a": 1}, None], "crawl_time": [datetime(2026, 1, 1), None], "LANGUAGE": [b"\xff", None],
    "page_url": [b"http://[::1", None], "final_url": [3.5, None], "medical_picture_score": ["0.9", None], "SAMPLE_ID": ["x", None],
    "uid": [b"\xff\x00", None], "licence_kind": [True, None],
}  # fmt: skip


def run(verb: str, *arguments: str) -> int:
    status: int = import_module(f"pipeline.commands.{verb}").main(list(arguments))
    return status


def adopted(folder, table) -> str:
    folder.mkdir()
    pq.write_table(table, folder / "part.parquet")
    assert run("adopt", "--dataset", str(folder)) == 0
    return str(folder)


def every_verb(dataset: str, tmp_path) -> None:
    pytest.importorskip("tantivy")
    (tmp_path / "requests.jsonl").write_text(
        json.dumps({"domain": "b.example"}) + "\n" + json.dumps({"sha256": "ab" * 32})
    )
    assert run("index", "--dataset", dataset) == 0
    assert run("search", "--dataset", dataset, "example") in (0, 1)
    assert run("check", "--dataset", dataset) in (0, 1)
    assert (
        run("export", "--dataset", dataset, "--out", str(tmp_path / "copy"), "--columns", "URL")
        == 0
    )
    assert run("report", "--dataset", str(tmp_path / "copy")) == 0
    assert (
        run(
            "erase",
            "--dataset",
            dataset,
            "--requests",
            str(tmp_path / "requests.jsonl"),
            "--dry-run",
        )
        == 0
    )
    assert run("erase", "--dataset", dataset, "--requests", str(tmp_path / "requests.jsonl")) == 0


@pytest.mark.parametrize("kind", TYPES)
def test_addresses_of_any_type(kind, tmp_path):
    every_verb(adopted(tmp_path / "theirs", pa.table({"URL": TYPES[kind]})), tmp_path)


@pytest.mark.parametrize("column", OTHERS)
def test_other_columns_of_any_type(column, tmp_path):
    table = pa.table({"URL": pa.array([GOOD, None]), column: pa.array(OTHERS[column])})
    every_verb(adopted(tmp_path / "theirs", table), tmp_path)


def test_all_at_once(tmp_path):
    table = pa.table(
        {
            "URL": pa.array([GOOD, "http://[::1"]),
            **{name: pa.array(values) for name, values in OTHERS.items()},
        }
    )
    every_verb(adopted(tmp_path / "theirs", table), tmp_path)


@pytest.mark.parametrize(
    "kind", [kind for kind in TYPES if kind.endswith(("text", "dictionary", "bytes", "UTF-8"))]
)
def test_what_can_be_read_is_found(kind):
    found = Matcher([DOMAIN]).find(pa.table({"URL": TYPES[kind]}))
    values = as_ours(pa.table({"URL": TYPES[kind]}))["URL"].to_pylist()
    assert set(found) == {
        row for row, url in enumerate(values) if url and "a.example" in hosts_of(url)
    }
    assert 0 in found
    assert (1 in found) == (kind in ("no UTF-8", "large bytes"))


@pytest.mark.parametrize("url", READ_AS_A_EXAMPLE)
def test_an_address_is_found_as_browsers_read_it(url):
    assert set(Matcher([DOMAIN]).find(pa.table({"URL": [url, None, "http://b.example/"]}))) == {0}


@pytest.mark.parametrize(
    "host",
    [
        "192.168.0.1",
        "192.0xa80001",
        "0xc0a80001",
        "0xC0.168.1",
        "3232235521",
        "0300.0250.0.1",
        "192.168.0.1.",
    ],
)
def test_an_address_of_numbers_is_found_in_every_spelling(host):
    request = parse_request(json.dumps({"image_url": "http://192.168.0.1/p.jpg"}))
    assert set(
        Matcher([request]).find(
            pa.table({"URL": [f"http://{host}/p.jpg", "http://b.example/p.jpg"]})
        )
    ) == {0}


def test_rows_that_no_request_finds_are_counted_and_not_repeated(caplog):
    Matcher([DOMAIN]).find(pa.table({"URL": [GOOD, "http://[::1", "secret words", None]}))
    assert "2 rows hold no image_url that can be read" in caplog.text
    assert "secret" not in caplog.text


@given(st.text() | st.text(alphabet="htp:/[]@#?.%\\19aa.\uff11\u2100\ud800 ", max_size=40))
def test_any_text_has_places(text):
    for url in (text, f"http://{text}/"):
        assert next(places_of(url)) == next(hosts_of(url))
        assert host_of(url).rstrip(".") in {*hosts_of(url), ""}


ANY_COLUMN = st.one_of(
    st.lists(st.none() | st.text(), min_size=1).map(lambda values: pa.array(values, pa.string())),
    st.lists(st.none() | st.binary(), min_size=1).map(lambda values: pa.array(values, pa.binary())),
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1).map(
        lambda values: pa.array(values, pa.int64())
    ),
    st.lists(st.none() | st.floats(), min_size=1).map(
        lambda values: pa.array(values, pa.float64())
    ),
    st.lists(st.none() | st.lists(st.none() | st.binary()), min_size=1).map(
        lambda values: pa.array(values, pa.list_(pa.binary()))
    ),
    st.lists(st.binary(min_size=3, max_size=3), min_size=1).map(
        lambda values: pa.array(values, pa.binary(3))
    ),
)


@given(st.sampled_from(["URL", *OTHERS]), ANY_COLUMN)
def test_any_column_becomes_ours(name, column):
    found = as_ours(pa.table({name: column}))[name]
    assert len(found.to_pylist()) == len(column)
    found.validate(full=True)


def test_our_own_columns_stay_as_they_are(demo_run):
    for path in demo_run.output.glob("dataset/*/*.parquet"):
        table = pq.read_table(path).replace_schema_metadata(None)
        assert as_ours(table).to_pylist() == table.to_pylist()


FOUND = [
    *(
        {"URL": TYPES[kind]}
        for kind in TYPES
        if kind.endswith(("text", "dictionary", "bytes", "UTF-8"))
    ),
    *({"URL": pa.array([GOOD, None]), name: pa.array(values)} for name, values in OTHERS.items()),
]


@pytest.mark.parametrize(
    "columns", FOUND, ids=lambda columns: f"{list(columns)[-1]} {list(columns.values())[-1].type}"
)
def test_rows_that_are_found_are_taken_out(columns, tmp_path):
    table = pa.table(columns)
    wanted = set(Matcher([DOMAIN]).find(table))
    dataset = adopted(tmp_path / "theirs", table)
    (tmp_path / "requests.jsonl").write_text(
        json.dumps({"domain": "a.example"}) + "\n" + json.dumps({"image_url": GOOD})
    )
    assert run("erase", "--dataset", dataset, "--requests", str(tmp_path / "requests.jsonl")) == 0
    assert pq.read_table(tmp_path / "theirs" / "part.parquet").num_rows == table.num_rows - len(
        wanted
    )

"""Index listings: only the records that they name are read."""

from __future__ import annotations

import gzip
import json

import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairsieve.records.page import Page
from pairsieve.warc.cdx import BadIndex, excerpts
from pairsieve.warc.codecs import zstd_library
from pairsieve.warc.reader import read_places
from tests.support.archives import ALL, SETTINGS, A, B, C, pages, problems
from tests.support.warcs import cdxj, plain
from transforms.read import InputSettings, split_input

zstd = zstd_library()
PLACES = [("x.warc.gz", 0, len(A)), ("x.warc.gz", len(A) + len(B), len(C))]


@pytest.fixture
def crawl(tmp_path):
    (tmp_path / "x.warc.gz").write_bytes(A + B + C)
    return tmp_path


def columnar(places) -> pa.Table:
    names = ("warc_filename", "warc_record_offset", "warc_record_length")
    return pa.table(
        {
            "url": ["u"] * len(places),
            **dict(zip(names, map(list, zip(*places, strict=True)), strict=True)),
        }
    )


def read_index(crawl, name: str):
    for excerpt in excerpts(str(crawl / name), f"{crawl}/", {}):
        yield from read_places(excerpt, SETTINGS)


@pytest.mark.parametrize("name", ["i.cdxj", "i.cdxj.gz", "i.jsonl", "i.parquet"])
def test_only_the_named_records_are_read(crawl, name):
    content = cdxj(PLACES)
    if name == "i.parquet":
        pq.write_table(columnar(PLACES), crawl / name)
    elif name == "i.jsonl":
        (crawl / name).write_bytes(
            b"".join(line.partition(b" 2026 ")[2] for line in content.splitlines(keepends=True))
        )
    else:
        (crawl / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    found = list(read_index(crawl, name))
    assert pages(found) == [ALL[0], ALL[2]]
    assert [page.origin.record_offset for page in found if isinstance(page, Page)] == [
        0,
        len(A) + len(B),
    ]


@pytest.mark.parametrize(
    "key",
    [
        'com,example)/graphql?variables={"id":1} 20260102030405',
        "com,example)/{{image}}.jpg 20260102030405",
        "com,example)/?q={searchterms}&x={} 20260102030405",
    ],
)
def test_urls_with_braces_in_an_index(key, crawl):
    """Browsers send braces in a query as they are, and canonical keys (surt) keep them."""
    record = json.dumps({"filename": "x.warc.gz", "offset": "0", "length": str(len(A))})
    (crawl / "i").write_bytes(f"{key} {record}\n{key}\t{record}\n".encode())
    assert pages(list(read_index(crawl, "i"))) == [ALL[0], ALL[0]]


@pytest.mark.parametrize("pack", [zstd.compress, lz4.frame.compress, bytes])
def test_records_of_every_form_are_read_by_their_place(pack, crawl):
    records = [pack(plain(member)) for member in (A, B, C)]
    (crawl / "y").write_bytes(b"".join(records))
    places = [("y", 0, len(records[0])), ("y", sum(map(len, records[:2])), len(records[2]))]
    (crawl / "i").write_bytes(cdxj(places))
    found = list(read_index(crawl, "i"))
    assert pages(found) == [ALL[0], ALL[2]]
    offsets = [item.origin.record_offset for item in found if isinstance(item, Page)]
    assert offsets == [offset for _, offset, _ in places]


def test_places_that_hold_no_record(crawl):
    (crawl / "plain.warc").write_bytes(plain(A))
    wrong = [
        ("x.warc.gz", 5, 100),
        ("gone.warc.gz", 0, 100),
        ("x.warc.gz", 0, len(A) - 5),
        ("x.warc.gz", 10**9, 10),
        ("plain.warc", 0, 50),
    ]
    (crawl / "i").write_bytes(cdxj([*wrong, PLACES[0]]))
    found = list(read_index(crawl, "i"))
    assert pages(found) == ALL[:1]
    assert [reason for _, reason in problems(found)] == [
        "damaged",
        "unreadable_FileNotFoundError",
        "damaged",
        "damaged",
        "damaged",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no json at all\n", "row 1 of the index i names no file"),
        (b'{"filename": "x", "offset": "a", "length": 1}', "row 1"),
        (b"[]\n", "row 1"),
        (b'{"filename": 7, "offset": 1, "length": 1}', "row 1"),
        (b'{"filename": null, "offset": 1, "length": 1}', "row 1"),
        (b'{"filename": "x", "offset": Infinity, "length": 1}', "row 1"),
        (b'{"filename": "x", "offset": NaN, "length": 1}', "row 1"),
        (b'{"filename": "x", "offset": -1, "length": 1}', "row 1"),
        (b'{"filename": "x", "offset": 1, "length": 9223372036854775807}', "row 1"),
    ],
)
def test_rows_that_name_no_record(crawl, content, message):
    (crawl / "i").write_bytes(content)
    for base in ("", "https://a.example/"):
        with pytest.raises(BadIndex, match=message):
            list(excerpts(str(crawl / "i"), base, {}))
    found = list(split_input(str(crawl / "i"), InputSettings(kind="index"), {}))
    assert problems(found) == [("file", "unreadable_BadIndex")]


def test_a_table_without_the_columns(crawl):
    pq.write_table(pa.table({"url": ["u"]}), crawl / "i")
    with pytest.raises(
        BadIndex, match="no column warc_filename, warc_record_offset, warc_record_length"
    ):
        list(excerpts(str(crawl / "i"), "", {}))

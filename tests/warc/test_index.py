"""Index listings: only the records that they name are read."""

from __future__ import annotations

import gzip
import json

import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pairsieve.records.outcome import Counted, Rejection, balance, tally_of
from pairsieve.records.page import Page
from pairsieve.warc.cdx import BadIndex, Excerpt, excerpts
from pairsieve.warc.cdx_lines import named_in_lines
from pairsieve.warc.codecs import zstd_library
from pairsieve.warc.reader import read_places
from tests.support.archives import ALL, SETTINGS, A, B, C, pages, problems
from tests.support.containers import DICTIONARY, RECORDS, with_dictionary
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


NINE, TEN, ELEVEN = (
    " CDX N b a m s k r V g",
    " CDX N b a m s k r M V g",
    " CDX N b a m s k r M S V g",
)
START = "com,example)/ 20140103030321 http://example.com/ text/html 200 B2LTWWPUOYAH7UIPQ7ZU"
AT, SIZE = len(A), len(B)
JSON = "com,example)/ 20140103030321 "


@pytest.mark.parametrize(
    "lines",
    [
        # https://iipc.github.io/warc-specifications/specifications/cdx-format/cdx-2015/
        [ELEVEN, f"{START} - - {SIZE} {AT} x.warc.gz"],
        [NINE, f"{START} - {AT} x.warc.gz"],
        ["CDX N b a m s k r V g", f"{START} - {AT} x.warc.gz"],
        [
            " CDX A b e a m s c k r V v D d g M n",
            f"a 2 1.2.3.4 a t 200 c k - {AT} 7 7 7 x.warc.gz - 7",
        ],
        ["|CDX|g|V|a", f"x.warc.gz|{AT}|http://a.example/with a blank"],
        # A heading that stands again in the middle, of files that were put together.
        [NINE, ELEVEN, f"{START} - - {SIZE} {AT} x.warc.gz"],
        # pywb, warcserver/index/cdxobject.py, CDX_FORMATS; jwarc, CdxReaderTest.
        [f"{START} - - {SIZE} {AT} x.warc.gz"],
        [f"{START} - - {AT} x.warc.gz"],
        [f"{START} - {AT} x.warc.gz"],
        [f"{START} - - {SIZE} {AT} x.warc.gz 1 2 y.warc.gz"],
        [f"{START} - - {AT} x.warc.gz 1 2 y.warc.gz"],
        [f"{START} - {AT} x.warc.gz 1 2 y.warc.gz"],
        [f"{START} - - - {AT} x.warc.gz"],
        [f"- 20220302214434 http://a.example/ text/html 200 AQLN - - {SIZE} {AT} x.warc.gz"],
        # The index of a compressed index begins so; pywb's tests have rows without a length.
        [
            '!meta 0 {"format": "cdxj-gzip-1.0"}',
            "",
            f'{JSON}{{"filename": "x.warc.gz", "offset": "{AT}"}}',
        ],
        [f'{JSON}{{"filename": "x.warc.gz", "offset": {AT}, "length": "-"}}'],
        # https://iipc.github.io/warc-specifications/specifications/cdx-format/openwayback-cdxj/
        [
            "!OpenWayback-CDXJ 1.0",
            f'(com,example,)/ 2015-09-03T13:27:52Z - response {{"ref": "warcfile:x.warc.gz#{AT}"}}',
        ],
        [f'(com,example,)/ 2015 - response {{"ref": "warcfile:x.warc.gz#{AT}", "rle": {SIZE}}}'],
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_flavours_of_indexes(lines, line_end, crawl):
    (crawl / "i").write_text("".join(f"{line}{line_end}" for line in lines), newline="")
    found = list(read_index(crawl, "i"))
    assert pages(found) == [ALL[1]]
    assert problems(found) == []
    assert [item.origin.record_offset for item in found if isinstance(item, Page)] == [AT]


def test_long_rows_take_linear_time():
    """Such a row of 900 kB had not been read after three minutes."""
    row = b'a {"ref": "%b"}' % (b"warcfile:" * 90_000)
    assert list(named_in_lines([row])) == [None]


def test_rows_without_a_length_that_name_no_record(crawl):
    rows = [f"{START} - {AT + 1} x.warc.gz\n", f"{START} - 0 gone.warc.gz\n"]
    (crawl / "i").write_text("".join(rows))
    found = list(read_index(crawl, "i"))
    assert [reason for _, reason in problems(found)] == ["damaged", "unreadable_FileNotFoundError"]


def test_records_that_need_the_dictionary_of_their_file(crawl):
    """The CDX that the Internet Archive makes of ArchiveTeam's .warc.zst names such records."""
    content = with_dictionary(RECORDS, DICTIONARY.dict_content)
    (crawl / "y").write_bytes(content)
    start = content.index(b"\x28\xb5\x2f\xfd", 8 + len(DICTIONARY.dict_content))
    second = content.index(b"\x28\xb5\x2f\xfd", start + 4)
    (crawl / "i").write_bytes(cdxj([("y", start, second - start)]))
    assert pages(list(read_index(crawl, "i"))) == [ALL[0]]


def test_a_bad_row_costs_itself_alone(crawl):
    """Other rows were lost with it: the whole index was refused."""
    bad = [f"{START} - - {SIZE} - x.warc.gz", f"{START} - - 7 7 -", "no row", f'{JSON}{{"a": 1}}']
    rows = [bad[0], f"{START} - - {SIZE} {AT} x.warc.gz", *bad[1:]]
    (crawl / "i").write_text("\n".join(rows))
    settings = InputSettings(kind="index", base=f"{crawl}/")
    found = list(split_input(str(crawl / "i"), settings, {}))
    assert problems(found) == [("record", "unreadable_row")] * 4
    where = [item.where for item in found if isinstance(item, Rejection)]
    assert where == ["i@1", "i@3", "i@4", "i@5"]
    (excerpt,) = (item for item in found if isinstance(item, Excerpt))
    assert pages(list(read_places(excerpt, SETTINGS))) == [ALL[1]]
    tally = tally_of(item for item in found if isinstance(item, (Counted, Rejection)))
    assert balance(tally, "record").adds_up


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

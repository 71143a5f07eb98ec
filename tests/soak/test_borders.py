"""Whatever comes in at a border, the run goes on: 200 mutations each in the suite, 10,000 with
`make soak`.

A failure prints the number of its mutation: `mutated(SEEDS, number)` gives the bytes again.
"""

from __future__ import annotations

import gzip
import io
import json
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from filters.pages.page_head import PageHead
from filters.pages.page_types import PageTypes
from filters.registry import evidence_columns
from filters.rights.licence import Licence
from filters.rights.picture_metadata import PictureMetadata
from filters.rights.rights import PageRights, ResponseRights
from filters.subjects import Content, Response
from pairsieve.images.decode import DecodeSettings, Undecodable
from pairsieve.images.prepare import Prepared, Square, prepare
from pairsieve.images.processes import CRASHED, Processes
from pairsieve.records.outcome import Rejection, balance, tally_of
from pairsieve.records.page import LOCATION_SCHEMA, Location, Origin, Page
from pairsieve.records.pair import PAIR_SCHEMA, Pair
from pairsieve.records.table import schema_with, to_table
from pairsieve.warc.reader import ReadSettings, read_split
from pairsieve.warc.splits import Split
from pairsieve.web.body import text_of
from pairsieve.web.robots import Robots
from pairsieve.web.rsl import UnreadableLicence, read_licence
from tests.support.extracting import SETTINGS
from tests.support.mutations import mutated
from tests.support.warcs import page, plain, response
from tests.support.wat_files import envelope, wat_file
from transforms.extractor import GuardedExtractor
from transforms.read import InputSettings, _read_links, split_input

NUMBERS = [200, pytest.param(10_000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
DETECTORS = (PageRights(), PageHead(), PageTypes(), Licence())
READ = ReadSettings(max_page_bytes=1_000_000, locate=True, check_digests=True)
DECODE = DecodeSettings(("JPEG", "PNG", "WEBP"), 1_000_000, 50)

HTML = (
    b"""<!doctype html><html lang=en><meta charset=utf-8><base href="/x/"><title>A &amp; b</title><meta name=robots content="noai, max-snippet:1">
    <script type="application/ld+json">{"@type": "ImageObject", "contentUrl": "a.jpg", "license": {"@id": "https://c.example/"}}</script>
    <link rel=license href="https://creativecommons.org/licenses/by/4.0/"><figure itemtype="http://schema.org/Thing"><a rel=license href=l>l</a>
    <img src="a.jpg" alt="a red star"></figure><picture><source srcset="b.jpg 2x, c.jpg 100w"><img src=d.jpg alt="&eacute;t&#xe9; in Caf\xc3\x83\xc2\xa9"></picture>
    <noscript><img src=e.jpg alt="words and words"></noscript>""",
    b"<p><font a=1><b><i>text<p><table><tr><td><img alt='seven words' src='//b.example:80/%41?q#f'></table></b>",
)
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description plus:DataMining="http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED" '
    b'tdm:reservation="1"><xmpRights:WebStatement>https://a.example/&amp;</xmpRights:WebStatement><cc:license rdf:resource="https://c.example/"/>'
    b'<rsl xmlns="https://rslstandard.org/rsl"><content url="/"/></rsl></rdf:Description></rdf:RDF></x:xmpmeta>'
)
RSL = b'<rsl xmlns="https://rslstandard.org/rsl"><content url="/a*b$"><license><permits type="usage">ai-train</permits></license></content></rsl>'
ROBOTS = b"User-agent: *\nDisallow: /*a*b$\nContent-Usage: /x train-ai=n\nCrawl-delay: 1\n\nUser-agent: GPTBot\nAllow: /\nLicense: /l.xml\n"


def pictures() -> list[bytes]:
    made = []
    exif = Image.Exif()
    exif[0x8298], exif[0x0112] = "somebody", 6
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF", "BMP", "ICO", "PPM", "TGA"):
        buffer = io.BytesIO()
        options = (
            {"exif": exif, "xmp": XMP}
            if kind in ("JPEG", "WEBP")
            else {"exif": exif}
            if kind == "PNG"
            else {}
        )
        try:
            Image.linear_gradient("L").resize((40, 30)).convert("RGB").save(buffer, kind, **options)
        except (KeyError, OSError):  # a Pillow that was built without the format
            continue
        made.append(buffer.getvalue())
    return made


def storable(found, schema) -> None:
    """What goes on can be written."""
    sink = pa.BufferOutputStream()
    pq.write_table(to_table(found, schema), sink)


@pytest.fixture(scope="module")
def extract():
    with closing(GuardedExtractor(SETTINGS, DETECTORS)) as made:
        yield made


def check_page(extract, found: Page) -> None:
    results = extract(found)
    reasons = [result.reason for result in results if isinstance(result, Rejection)]
    assert not [reason for reason in reasons if reason.startswith("error:")]
    pairs = [result for result in results if isinstance(result, Pair)]
    storable(pairs, schema_with(PAIR_SCHEMA, evidence_columns(DETECTORS)))


@pytest.mark.parametrize("number", NUMBERS)
def test_pages(number, extract):
    for n in range(number):
        content_type = mutated(
            (b"text/html; charset=utf-8", b"text/html; charset=utf-16", b"text/html"), n
        ).decode("utf-8", "surrogateescape")
        headers = (
            ("Content-Type", content_type),
            ("Link", '<l>; rel=license; type="application/rsl+xml"'),
        )
        try:
            check_page(
                extract,
                Page("https://a.example/", headers, mutated(HTML, n), Origin("a", n, "", "")),
            )
        except Exception as error:
            raise AssertionError(f"mutation {n}") from error


RECORDS = (
    page()
    + page("https://b.example/")
    + response("https://c.example/a.png", b"\x89PNG", kind="image/png"),
    page(headers=[("Content-Encoding", "br"), ("Transfer-Encoding", "chunked")])
    + page("https://b.example/"),
)
WAT = wat_file(
    envelope(html={"Links": [{"path": "IMG@/src", "url": "1.jpg", "alt": "one \ud800"}]})
)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "seeds",
    [RECORDS, tuple(map(plain, RECORDS)), (gzip.compress(plain(*RECORDS)),)],
    ids=["members", "plain", "stream"],
)
def test_records(number, seeds, extract, tmp_path):
    path = tmp_path / "a.warc"
    for n in range(number):
        path.write_bytes(mutated(seeds, n))
        read_file(str(path), extract, n)


@pytest.mark.parametrize("number", NUMBERS)
def test_what_records_hold(number, extract, tmp_path):
    """Mutated within a record that is whole: headers, codings, WAT's JSON."""
    path = tmp_path / "a.warc.gz"
    inner = tuple(plain(member) for member in (*RECORDS, WAT))
    for n in range(number):
        path.write_bytes(gzip.compress(whole(mutated(inner, n)), 1))
        read_file(str(path), extract, n)


def whole(record: bytes) -> bytes:
    """The first record with a length that is right."""
    head, _, block = record.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    return (
        b"\r\n".join((*lines, b"Content-Length: %d" % len(block)))
        + b"\r\n\r\n"
        + block
        + b"\r\n\r\n"
    )


def read_file(path: str, extract, n: int) -> None:
    try:
        results = list(split_input(path, InputSettings(), {}))
        found = [
            item
            for piece in results
            if isinstance(piece, Split)
            for item in read_split(piece, READ)
        ]
        outcomes = [
            item for item in (*results, *found) if not isinstance(item, (Split, Page, Location))
        ]
        for unit in ("file", "split", "record"):
            assert balance(tally_of(outcomes), unit).adds_up, unit
        storable([item for item in found if isinstance(item, Location)], LOCATION_SCHEMA)
        for item in found:
            if isinstance(item, Page):
                check_page(extract, item)
    except Exception as error:
        raise AssertionError(f"mutation {n}") from error


@pytest.fixture(scope="module")
def processes():
    with closing(Processes(1)) as opened:
        yield opened


@pytest.mark.parametrize("number", NUMBERS)
def test_pictures(number, processes):
    seeds, observe = pictures(), PictureMetadata().load()
    for n in range(number):
        body = mutated(seeds, n)
        try:
            assert isinstance(
                processes.run_alone(prepare, body, DECODE, (Square(32),), 64),
                (Prepared, Undecodable, type(CRASHED)),
            )
            storable_evidence(observe(Content(body)), PictureMetadata.columns)
        except Exception as error:
            raise AssertionError(f"mutation {n}") from error


def storable_evidence(evidence, columns) -> None:
    for name, kind in columns.items():
        pa.array([evidence[name]], kind)


@pytest.mark.parametrize("number", NUMBERS)
def test_headers(number):
    names = ("X-Robots-Tag", "Content-Usage", "TDM-Reservation", "Link", "Content-Type")
    observe = ResponseRights().load()
    seeds = (
        b"otherbot: noai, max-snippet:1",
        b'train-ai=n;x="a", ai=y',
        b"1;a",
        b'<l>; rel="license"; type=application/rsl+xml',
        b"image/\xff",
    )
    for n in range(number):
        value = mutated(seeds, n).decode("utf-8", "surrogateescape")
        storable_evidence(
            observe(Response("https://a.example/", tuple((name, value) for name in names))),
            ResponseRights.columns,
        )


@pytest.mark.parametrize("number", NUMBERS)
def test_site_files(number):
    for n in range(number):
        robots = Robots(text_of(mutated((ROBOTS,), n)), ai_agents=True)
        assert robots.refusal("https://a.example/xab") in (
            None,
            "robots_disallowed",
            "robots_ai_disallowed",
            "robots_ai_reserved",
        )
        json.dumps([robots.licences, robots.crawl_delay_s], allow_nan=False)
        try:
            read_licence(mutated((RSL, XMP), n), "https://a.example/")
        except UnreadableLicence:
            continue


@pytest.mark.parametrize("number", NUMBERS)
def test_tables_of_links(number, extract, tmp_path):
    """Rows whose text is mutated, and files whose bytes are."""
    path = tmp_path / "a.parquet"
    rows = 20
    for n in range(0, number, rows):
        urls = pa.array(
            [
                mutated((b"https://a.example/b.jpg", b"http://u:p@h.example:80/%41/../"), n + row)
                for row in range(rows)
            ]
        )
        texts = pa.array(
            [
                mutated(("a red star é".encode(), b"Caf\xc3\x83\xc2\xa9 words"), n + row)
                for row in range(rows)
            ]
        )
        # nobody checks that it is UTF-8
        as_text = [
            pa.Array.from_buffers(pa.string(), rows, column.buffers()) for column in (urls, texts)
        ]
        pq.write_table(pa.table(as_text, names=["url", "text"]), path)
        assert len(read_links(str(path), extract)) <= rows
    seeds = (path.read_bytes(),)
    for n in range(number // 10):
        path.write_bytes(mutated(seeds, n))
        read_links(str(path), extract)


def read_links(path: str, extract) -> list[Pair]:
    pieces = list(split_input(path, InputSettings("pairs"), {}))
    links = [
        link for piece in pieces if hasattr(piece, "group") for link in _read_links(piece, {}, {})
    ]
    pairs = [
        result
        for link in links
        if hasattr(link, "caption")
        for result in extract(link)
        if isinstance(result, Pair)
    ]
    storable(pairs, PAIR_SCHEMA)
    return pairs


def test_as_many_mutations_differ():
    assert len({mutated(HTML, n) for n in range(200)}) > 190

"""WAT records: what a crawler noted of a page is read as that page would be."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from warcio.warcwriter import WARCWriter

from filters.rights.licence import observe_licences
from filters.rights.rights import page_signals
from pairsieve.records.outcome import Rejection
from pairsieve.records.page import Origin, Page
from pairsieve.warc.record import BadRecord, Record
from pairsieve.warc.wat import page_of_wat
from pairsieve.web.html import parse_page
from tests.warc.test_reader import pages, problems, read

BY = "https://creativecommons.org/licenses/by/4.0/"
HTML = {
    "Head": {
        "Base": "https://cdn.example/",
        "Title": "A <b> & c",
        "Metas": [
            {"name": "robots", "content": "NoAI"},
            {"http-equiv": "Content-Type", "content": "text/html; charset=latin-1"},
            {"x y": "\"'>"},
        ],
        "Link": [{"path": "LINK@/href", "rel": "license", "url": BY}],
    },
    "Links": [
        {"path": "IMG@/src", "url": "1.jpg?a=1&amp;b=2", "alt": 'größe "in" <em> &amp; &#233;'},
        {"path": "IMG@/src", "url": "2.jpg"},
        {"path": "A@/href", "url": "/about", "text": "about"},
        {"path": "IMG@/src", "alt": "no url"},
        {"path": "IMG@/longdesc", "url": "x"},
    ],
}


def envelope(html=HTML, status="200", kind="response", headers=None):
    http = {
        "Headers": headers
        or {"Content-Type": "text/html; charset=latin-1", "tdm-reservation": "1"},
        "Response-Message": {"Status": status},
    }
    if html is not None:
        http["HTML-Metadata"] = html
    warc = {
        "WARC-Type": kind,
        "WARC-Date": "T",
        "WARC-Payload-Digest": "sha1:D",
        "WARC-Record-ID": "<urn:1>",
    }
    return {
        "Container": {"Filename": "crawl.warc.gz", "Offset": "123"},
        "Envelope": {
            "WARC-Header-Metadata": warc,
            "Payload-Metadata": {"HTTP-Response-Metadata": http},
        },
    }


def record(told, url="https://a.example/d/") -> Record:
    return Record(
        9,
        "metadata",
        url,
        "",
        "",
        "",
        200,
        "application/json",
        (),
        told if isinstance(told, bytes) else json.dumps(told).encode(),
    )


def test_a_page_of_a_wat_record():
    page = page_of_wat(record(envelope()))
    assert isinstance(page, Page)
    assert page.origin == Origin("crawl.warc.gz", 123, "sha1:D", "T", "<urn:1>")
    assert page.source == "wat"
    parsed = parse_page(page)
    assert [(image.url, image.alt) for image in parsed.images] == [
        ("https://cdn.example/1.jpg?a=1&b=2", 'größe "in" <em> & é')
    ]
    assert page_signals(parsed) == {"noai", "tdm_reserved"}
    assert observe_licences(parsed)["licence"] == BY
    assert parsed.elements["title"][0].text() == "A <b> & c"


@pytest.mark.parametrize(
    "told",
    [
        envelope(kind="request"),
        envelope(html=None),
        {"Envelope": {"WARC-Header-Metadata": {"WARC-Type": "warcinfo"}}},
    ],
)
def test_what_is_no_page(told):
    assert page_of_wat(record(told)) is None


def test_a_page_that_was_not_there():
    assert page_of_wat(record(envelope(status="404"))) == Rejection("page", "http_404")


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"Envelope": 1}',
        b'{"Envelope": {"WARC-Header-Metadata": []}}',
    ],
)
def test_what_is_no_wat_record(told):
    with pytest.raises(BadRecord, match="wat_unreadable"):
        page_of_wat(record(told))


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3),
)


@given(json_values, st.sampled_from(["Head", "Links", "Metas", "Link", "Title", "Base"]))
def test_any_json_is_a_page_or_no_wat_record(value, name):
    html = (
        {**HTML, name: value} if name in HTML else {**HTML, "Head": {**HTML["Head"], name: value}}
    )
    try:
        page = page_of_wat(record(envelope(html=html)))
    except BadRecord:
        return
    assert isinstance(page, Page)
    assert all(isinstance(image.alt, str) for image in parse_page(page).images)


def wat_file(*tolds) -> bytes:
    buffer = io.BytesIO()
    writer = WARCWriter(buffer, gzip=True)
    for told in tolds:
        payload = io.BytesIO(told if isinstance(told, bytes) else json.dumps(told).encode())
        writer.write_record(
            writer.create_warc_record(
                "https://a.example/d/",
                "metadata",
                payload=payload,
                warc_content_type="application/json",
            )
        )
    return buffer.getvalue()


def test_a_wat_file(tmp_path):
    found = read(tmp_path, wat_file(envelope(), b"{", envelope(status="500"), envelope(html=None)))
    assert pages(found) == ["https://a.example/d/"]
    assert problems(found) == [("page", "wat_unreadable"), ("page", "http_500")]

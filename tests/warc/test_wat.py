"""WAT records: what a crawler noted of a page is read as that page would be."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.rights.licence import observe_licences
from filters.rights.rights import page_signals
from pairsieve.records.outcome import Rejection
from pairsieve.records.page import Origin, Page
from pairsieve.warc.record import BadRecord, Record
from pairsieve.warc.wat import page_of_wat
from pairsieve.web.html import parse_page
from tests.support.archives import pages, problems, read
from tests.support.wat_files import BY, HTML, envelope, wat_file


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


def test_a_wat_file(tmp_path):
    found = read(tmp_path, wat_file(envelope(), b"{", envelope(status="500"), envelope(html=None)))
    assert pages(found) == ["https://a.example/d/"]
    assert problems(found) == [("page", "wat_unreadable"), ("page", "http_500")]

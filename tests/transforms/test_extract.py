from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.rights import PageRights
from records.outcome import Counted, Rejection, balance, tally_of
from records.page import Origin, Page
from records.pair import Pair, key_of
from transforms.extractor import ExtractSettings, make_extractor
from web.language import LanguageSettings
from web.text import CaptionSettings
from web.urls import UrlSettings

SETTINGS = ExtractSettings(
    "best", CaptionSettings(5, 2000), UrlSettings(2000, 60, (".svg", ".gif"), ("tracker.example",)), LanguageSettings(5, 2000)
)
EXTRACT = make_extractor(SETTINGS, [PageRights()])


def page(body: str | bytes, headers=()) -> Page:
    payload = body if isinstance(body, bytes) else body.encode()
    return Page(
        "https://a.example/x/", (("Content-Type", "text/html; charset=utf-8"), *headers), payload, Origin("f.warc.gz", 7, "sha1:D", "T")
    )


def test_a_pair_with_its_provenance():
    (pair,) = (found for found in EXTRACT(page('<img src="p.jpg" alt=" A red\nstar on  white ">')) if isinstance(found, Pair))
    assert pair == Pair(
        key=key_of("https://a.example/x/p.jpg", "A red star on white"),
        url="https://a.example/x/p.jpg",
        caption="A red star on white",
        subset=pair.subset,
        language=pair.language,
        page_url="https://a.example/x/",
        warc_file="f.warc.gz",
        record_offset=7,
        payload_digest="sha1:D",
        crawl_time="T",
        position=0,
        evidence={"page_rights_signals": (), "page_licence_files": ()},
    )


@pytest.mark.parametrize(
    ("caption", "subset", "language"),
    [
        ("A lovely little house in the green mountains", "en", "en"),
        ("Ein schönes kleines Haus in den grünen Bergen", "multi", "de"),
        ("美しい山の中にある小さな家の写真です", "multi", "ja"),
        ("IMG 2034 jpg", "nolang", ""),
    ],
)
def test_subsets(caption, subset, language):
    (pair,) = (found for found in EXTRACT(page(f'<img src="p.jpg" alt="{caption}">')) if isinstance(found, Pair))
    assert (pair.subset, pair.language) == (subset, language)


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        ('<img src="p.jpg" alt="abc">', "caption_too_short"),
        ('<img src="p.svg" alt="a red star">', "url_suffix"),
        ('<img src="http://[" alt="a red star">', "url_invalid"),
        ('<img src="data:image/png;base64,AA" alt="a red star">', "url_scheme"),
        ('<img src="https://tracker.example/p" alt="a red star">', "url_dropped_host"),
    ],
)
def test_rejections(element, reason):
    assert [found.reason for found in EXTRACT(page(element)) if isinstance(found, Rejection)] == [reason]


def test_addresses_with_credentials_are_not_taken():
    found = list(EXTRACT(page("<img src=https://anna:secret@b.example/a.png alt='a red star'><img src=/b.png alt='a blue star'>")))
    assert [pair.url for pair in found if isinstance(pair, Pair)] == ["https://a.example/b.png"]
    assert Rejection("image", "url_credentials", number=1) in found


@pytest.mark.parametrize("url", ["https://anna:secret@a.example/", "https://anna@a.example/"])
def test_pages_behind_credentials_are_not_taken(url):
    found = list(EXTRACT(replace(page("<img src=b.png alt='a red star'>"), url=url)))
    assert found == [Rejection("page", "url_credentials")]


def test_a_base_with_credentials_makes_addresses_with_credentials():
    found = list(EXTRACT(page("<base href=https://anna:secret@b.example/><img src=a.png alt='a red star'>")))
    assert not [pair for pair in found if isinstance(pair, Pair)]


def test_evidence_is_of_the_whole_page():
    pairs = [f for f in EXTRACT(page("<img src=a alt='a red star'><meta name=robots content=noai>")) if isinstance(f, Pair)]
    assert pairs[0].evidence == {"page_rights_signals": ("noai",), "page_licence_files": ()}


@given(st.binary(max_size=600))
@settings(deadline=None)
def test_any_bytes_and_the_counts_add_up(payload):
    found = list(EXTRACT(page(payload)))
    tally = tally_of(f for f in found if isinstance(f, (Rejection, Counted)))
    tally["image", "kept", ""] = sum(isinstance(f, Pair) for f in found)
    assert balance(tally, "image").adds_up


def test_keys_keep_url_and_caption_apart():
    assert key_of("ab", "c") != key_of("a", "bc")
    assert len(key_of("", "")) == 16

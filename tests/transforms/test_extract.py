from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.detector import Needs
from filters.rights.rights import PageRights
from pairsieve.records.link import Link
from pairsieve.records.outcome import Counted, Noted, Rejection, balance, tally_of
from pairsieve.records.page import Origin, Page
from pairsieve.records.pair import Pair, key_of
from pairsieve.web import urls
from pairsieve.web.cost import is_costly
from pairsieve.web.html import parse_page
from tests.support.extracting import SETTINGS
from transforms import extractor
from transforms.extractor import GuardedExtractor, make_extractor

EXTRACT = make_extractor(SETTINGS, [PageRights()])


def page(body: str | bytes, headers=()) -> Page:
    payload = body if isinstance(body, bytes) else body.encode()
    return Page(
        "https://a.example/x/",
        (("Content-Type", "text/html; charset=utf-8"), *headers),
        payload,
        Origin("f.warc.gz", 7, "sha1:D", "T"),
    )


def test_a_pair_with_its_provenance():
    (pair,) = (
        found
        for found in EXTRACT(page('<img src="p.jpg" alt=" A red\nstar on  white ">'))
        if isinstance(found, Pair)
    )
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
    (pair,) = (
        found
        for found in EXTRACT(page(f'<img src="p.jpg" alt="{caption}">'))
        if isinstance(found, Pair)
    )
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
    assert [found.reason for found in EXTRACT(page(element)) if isinstance(found, Rejection)] == [
        reason
    ]


def test_addresses_with_credentials_are_not_taken():
    found = list(
        EXTRACT(
            page(
                "<img src=https://anna:secret@b.example/a.png alt='a red star'><img src=/b.png "
                "alt='a blue star'>"
            )
        )
    )
    assert [pair.url for pair in found if isinstance(pair, Pair)] == ["https://a.example/b.png"]
    assert Rejection("image", "url_credentials", number=1) in found


@pytest.mark.parametrize("url", ["https://anna:secret@a.example/", "https://anna@a.example/"])
def test_pages_behind_credentials_are_not_taken(url):
    found = list(EXTRACT(replace(page("<img src=b.png alt='a red star'>"), url=url)))
    assert found == [Rejection("page", "url_credentials")]


def test_a_base_with_credentials_makes_addresses_with_credentials():
    found = list(
        EXTRACT(page("<base href=https://anna:secret@b.example/><img src=a.png alt='a red star'>"))
    )
    assert not [pair for pair in found if isinstance(pair, Pair)]


def test_evidence_is_of_the_whole_page():
    pairs = [
        f
        for f in EXTRACT(page("<img src=a alt='a red star'><meta name=robots content=noai>"))
        if isinstance(f, Pair)
    ]
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


class Spy:
    """Counts the calls of a function."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, *arguments):
        self.calls += 1
        return self.function(*arguments)


@pytest.mark.parametrize(
    "alt", ["word " * 3_201, "&" + "amp;" * 50_000, "a" + "\u0301" * 100_000, "4111 " * 6_400]
)
def test_a_caption_that_is_far_too_long_is_not_cleaned(alt, monkeypatch):
    cleaned = Spy(extractor.clean_caption)
    monkeypatch.setattr(extractor, "clean_caption", cleaned)
    found = make_extractor(SETTINGS, [])(page(f'<img src=a.jpg alt="{alt}">'))
    assert Rejection("image", "caption_too_long") in list(found)
    assert cleaned.calls == 0


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("a" * 100_001, "url_too_long"),
        ("%41" * 50_000, "url_too_long"),
        ("data:image/png;base64," + "A" * 200_000, "url_scheme"),
    ],
)
def test_a_reference_that_is_longer_than_any_url_is_not_resolved(reference, reason, monkeypatch):
    joined = Spy(urls.ada_url.join_url)
    monkeypatch.setattr(urls.ada_url, "join_url", joined)
    assert Rejection("image", reason) in list(
        EXTRACT(page(f'<img src="{reference}" alt="a red star">'))
    )
    assert joined.calls == 0


def test_a_base_that_is_longer_than_any_url_is_none():
    html = f'<base href="https://b.example/{"x" * 2_000_000}/"><img src=p.jpg alt="a red star">'
    assert [found.url for found in EXTRACT(page(html)) if isinstance(found, Pair)] == [
        "https://a.example/x/p.jpg"
    ]


def test_the_address_of_a_page_is_bounded():
    found = list(
        EXTRACT(
            replace(page("<img src=p.jpg alt=words>"), url="https://a.example/" + "x" * 200_000)
        )
    )
    assert found == [Rejection("page", "url_too_long")]


@pytest.fixture(scope="module")
def guarded():
    made = GuardedExtractor(SETTINGS, [PageRights()])
    yield made
    made.close()


def test_a_page_that_takes_too_long_is_quarantined_by_name(guarded):
    hostile = b"".join(b"<b a=%d><div>" % n for n in range(2_000)) + b"</b>" * 200_000
    assert guarded(page(hostile)) == [
        Rejection("page", "page_too_costly", "quarantined", "f.warc.gz@7")
    ]
    assert any(
        isinstance(found, Pair) for found in guarded(page("<img src=p.jpg alt='a red star'>"))
    ), "and the next one is read"


def test_a_costly_page_gives_what_it_gives_on_the_spot(guarded):
    html = page("<p><img src=p.jpg alt='a red star'>" * 5_000)
    assert is_costly(html.payload)
    assert guarded(html) == list(EXTRACT(html))


@dataclass(frozen=True)
class Raises:
    name: ClassVar[str] = "raises"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.PAGE
    columns: ClassVar[dict] = {}

    def load(self):
        def observe(_):
            raise AssertionError("a page that nobody expected")

        return observe


def test_what_is_raised_over_a_page_quarantines_it():
    raising = GuardedExtractor(SETTINGS, [Raises()])
    assert raising(page("<img src=p.jpg alt='a red star'>")) == [
        Rejection("page", "error:AssertionError", "quarantined", "f.warc.gz@7")
    ]


@pytest.mark.parametrize("body", ["x", "<img src=p.svg alt='a red star'>", "<img src=p.jpg alt=x>"])
def test_a_page_without_pairs_is_not_observed(body):
    counts = GuardedExtractor(SETTINGS, [Raises()])(page(body))
    assert counts[-1] == Counted("page", "kept")
    assert balance(tally_of(counts), "image").adds_up


def test_what_is_raised_over_a_link_quarantines_it_and_the_counts_add_up(monkeypatch):
    def fail(*_):
        raise OverflowError

    monkeypatch.setattr(extractor, "absolute", fail)
    outcomes = GuardedExtractor(SETTINGS, [])(
        Link("https://a.example/b.jpg", "a red star", "t.parquet", 3, "")
    )
    assert Rejection("image", "error:OverflowError", "quarantined", "t.parquet@3") in outcomes
    assert balance(tally_of(outcomes), "image").adds_up


def test_a_lone_surrogate_in_json_ld_can_be_stored():
    html = r'<script type="application/ld+json">{"@type": "A\ud800", "b": "\ud83d\ude00"}</script>'
    (value,) = parse_page(page(html)).json_ld
    assert value == {"@type": "A\ufffd", "b": "\U0001f600"}


def test_captions_stand_where_the_config_says():
    chosen = replace(SETTINGS, captions=("alt", "title", "figcaption"))
    extract = make_extractor(chosen, ())
    found = list(
        extract(
            page(
                "<img src=a alt='a red star' title='a title'><img src=b alt=img title='a blue star'>"
                "<figure><img src=c><figcaption>a green star</figcaption></figure>"
                "<img src=d alt=no title=no><img src=e>"
            )
        )
    )
    pairs = [(x.url[-1], x.caption, x.caption_source) for x in found if isinstance(x, Pair)]
    assert pairs == [
        ("a", "a red star", "alt"),
        ("b", "a blue star", "title"),
        ("c", "a green star", "figcaption"),
    ]
    notes = {x.what: x.number for x in found if isinstance(x, Noted)}
    assert notes == {
        "caption_from_alt": 1,
        "caption_from_title": 1,
        "caption_from_figcaption": 1,
        "without_words": 1,
    }
    assert Rejection("image", "caption_too_short") in found


def test_images_without_words_are_noted():
    found = list(EXTRACT(page("<img src=a><img src=b alt='a red star'><img src=c title=words>")))
    assert Noted("image", "without_words", 2) in found
    assert Counted("image", "in", 1) in found

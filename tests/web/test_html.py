from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.page import Origin, Page
from web.html import image_elements, meta_values, parse_page

ORIGIN = Origin("x.warc.gz", 0, "", "")


def page(body: str | bytes, url: str = "https://a.example/d/p.html") -> Page:
    payload = body if isinstance(body, bytes) else body.encode()
    return Page(url, (("Content-Type", "text/html"),), payload, ORIGIN)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('<img src="b.jpg" alt="words">', [("https://a.example/d/b.jpg", "words")]),
        ('<IMG ALT="words" SRC="/b.jpg"/>', [("https://a.example/b.jpg", "words")]),
        ("<img src=b.jpg alt=one><img src=c.jpg alt=two>", [("https://a.example/d/b.jpg", "one"), ("https://a.example/d/c.jpg", "two")]),
        ('<base href="/e/"><img src=b.jpg alt=words>', [("https://a.example/e/b.jpg", "words")]),
        ('<base href="https://cdn.example/"><img src=b.jpg alt=words>', [("https://cdn.example/b.jpg", "words")]),
        ('<base href="http://[broken"><img src=b.jpg alt=words>', [("https://a.example/d/b.jpg", "words")]),
        ("<img src=b.jpg>", []),
        ("<img alt=words>", []),
        ('<img src="" alt="words">', [(None, "words")]),
        ('<img src="b.jpg" alt>', [("https://a.example/d/b.jpg", "")]),
        ("<!-- <img src=b.jpg alt=words> -->", []),
        ("<script>'<img src=b.jpg alt=words>'</script>", []),
        ("<p><img src=b.jpg alt='a &amp; b &#233;'", []),
        ("<p><img src=b.jpg alt='a &amp; b &#233;'>", [("https://a.example/d/b.jpg", "a & b é")]),
        ("<table><img src=b.jpg alt=words>", [("https://a.example/d/b.jpg", "words")]),
    ],
)
def test_image_elements(body, expected):
    assert [(element.url, element.alt) for element in image_elements(parse_page(page(body)))] == expected


def test_positions_count_from_zero():
    found = image_elements(parse_page(page("<img src=a alt=x><img src=b><img src=c alt=y>")))
    assert [element.position for element in found] == [0, 1]


def test_meta_values():
    parsed = parse_page(page('<meta name="Robots" content=" NoAI "><meta name=other content=x><meta name=robots>'))
    assert list(meta_values(parsed, "robots")) == [("robots", "noai")]


@given(st.binary(max_size=500))
def test_any_bytes(payload):
    for element in image_elements(parse_page(page(payload))):
        assert isinstance(element.alt, str)


@given(
    st.lists(
        st.sampled_from(["<img ", "src=", "alt=", '"', "'", ">", "<base href=", "//", "http://[", "\0", "<svg>", "</", "&#x0;", "é", " "]),
        max_size=40,
    )
)
def test_any_tags(pieces):
    list(image_elements(parse_page(page("".join(pieces)))))

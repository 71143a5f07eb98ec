"""Addresses as people paste them, and those that most likely show the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.web.pasted_addresses import TRACKING, alike_key, pasted_address
from pairsieve.web.places import NotAPlace, read_url

PASTED = {
    "https://a.example/me.jpg": "https://a.example/me.jpg",
    "  https://a.example/me.jpg\n": "https://a.example/me.jpg",
    "HTTPS://A.example/me.jpg": "https://a.example/me.jpg",
    "<https://a.example/me.jpg>": "https://a.example/me.jpg",
    '"https://a.example/me.jpg"': "https://a.example/me.jpg",
    "“https://a.example/me.jpg”": "https://a.example/me.jpg",
    "(https://a.example/me.jpg)": "https://a.example/me.jpg",
    "view-source:https://a.example/me.jpg": "https://a.example/me.jpg",
    "URL: https://a.example/me.jpg": "https://a.example/me.jpg",
    "https://a.example/a/long/\r\n   path.jpg": "https://a.example/a/long/path.jpg",
    "https://a.example/my photo.jpg": "https://a.example/my%20photo.jpg",
    "https://a.example/me.jpg#top": "https://a.example/me.jpg",
    "//www.nytimes.com/x": "https://www.nytimes.com/x",
    "www.a.example": "https://www.a.example/",
    "nytimes.com/photos/1.jpg": "https://nytimes.com/photos/1.jpg",
    "bbc.co.uk/news": "https://bbc.co.uk/news",
    "münchen.de/bild.jpg": "https://xn--mnchen-3ya.de/bild.jpg",
}


@pytest.mark.parametrize(("text", "url"), PASTED.items())
def test_what_is_an_address(text, url):
    assert read_url(pasted_address(text)) == url


@pytest.mark.parametrize(
    "text",
    ["", "cat", "red car", "and/or", "1/2", "tokyo-tower.jpg", "x.jpg/y", "nytimes.com", "com/x",
     "anna@mail.com/x", "a www.a.example", "javascript:alert(1)", "🎉", "<>", "?", "http:/"],
)  # fmt: skip
def test_what_is_none(text):
    assert pasted_address(text) == ""


SAME = [
    "https://a.example/x",
    "http://a.example/x",
    "https://www.a.example/x",
    "http://www.a.example/x/",
    "https://a.example/x#part",
    "https://a.example/x?",
    "https://a.example/x/?utm_source=mail&utm_medium=x",
    "https://a.example/x?fbclid=1&gclid=2",
    "https://A.example:443/x",
    "https://a.example/%78",
]


@pytest.mark.parametrize("url", SAME)
def test_the_same_address(url):
    assert alike_key(url) == alike_key(SAME[0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://a.example/x", "https://a.example/y"),
        ("https://a.example/x", "https://a.example/X"),
        ("https://a.example/x?id=1", "https://a.example/x?id=2"),
        ("https://a.example/x?id=1", "https://a.example/x"),
        ("https://a.example/x?a=1&b=2", "https://a.example/x?b=2&a=1"),
        ("https://a.example/x", "https://b.example/x"),
        ("https://a.example/x", "https://m.a.example/x"),
        ("https://a.example/x", "https://a.example:8080/x"),
        ("https://www.com/x", "https://com/x"),
        ("https://a.example/x?source=1", "https://a.example/x"),  # it may choose what is shown
        ("javascript:alert(1)", "javascript:alert(2)"),
    ],
)
def test_not_the_same_address(one, other):
    assert alike_key(one) != alike_key(other)


PATHS = st.from_regex(r"(/[a-z0-9_-]{1,8}){0,3}", fullmatch=True)
QUERIES = st.from_regex(r"([ab]=[0-9]{1,3}(&[cd]=[0-9]{1,3})?)?", fullmatch=True)


@given(PATHS, QUERIES, st.data())
def test_what_makes_no_other_address(path, query, data):
    scheme = data.draw(st.sampled_from(["http", "https"]))
    www = data.draw(st.sampled_from(["", "www."]))
    slash = data.draw(st.sampled_from(["", "/"]))
    tracked = data.draw(st.lists(st.sampled_from([*sorted(TRACKING), "utm_x"]), max_size=3))
    arguments = data.draw(st.permutations([*(f"{name}=1" for name in tracked)]))
    together = "&".join([*arguments[:1], *([query] if query else []), *arguments[1:]])
    fragment = data.draw(st.sampled_from(["", "#x", "#"]))
    written = f"{scheme}://{www}a.example{path}{slash}{'?' if together else ''}{together}{fragment}"
    assert alike_key(written) == alike_key(f"https://a.example{path}?{query}")


@given(st.text(max_size=80))
def test_nothing_raises_but_not_a_place(text):
    alike_key(text)
    address = pasted_address(text)
    if address:
        try:
            read_url(address)
        except NotAPlace:
            return

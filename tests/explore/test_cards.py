from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.explore.cards import card
from pairsieve.search.find import Hit
from pairsieve.web.shown import plain, safe_link


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://a.example/1.jpg", "https://a.example/1.jpg"),
        ("HTTP://a.example", "HTTP://a.example"),
        ("javascript:alert(1)", ""),
        ("data:text/html,<script>", ""),
        ("//a.example/1.jpg", ""),
        ("http:a.example", ""),
        ("http://[", ""),
        ("", ""),
    ],
)
def test_links(url, link):
    assert safe_link(url) == link


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("a\x00b\x1b[2J", "a\ufffdb\ufffd[2J"),
        ("a\u200cb", "a\u200cb"),
        ("x" * 2000, "x" * 600 + "…"),
    ],
)
def test_text(text, shown):
    assert plain(text) == shown


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_row_makes_a_card(caption, url):
    made = card(Hit(1, {"TEXT": caption, "URL": url, "page_url": url, "similarity": 0.3}, 1.0))
    assert made.link == "" or made.link.lower().startswith(("http://", "https://"))
    assert not set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068") & set(made.caption + made.url)

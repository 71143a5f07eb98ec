"""Domains of many URLs at a time are those of each URL by itself."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.web.domains import count_domains
from pairsieve.web.urls import registered_domain

# what cuts a URL in pieces, and what parsers have stumbled over
pieces = st.sampled_from(
    [
        "http", "https", ":", "/", "//", "://", "?", "#", "@", "[", "]", "\\", "\t", "\n", " ", ".",
        "a.example", "shop.example.co.uk", "EXAMPLE.com", "xn--bcher-kva.example", "127.0.0.1",
        "[::1]", ":8080", "user:word@", "%2f", "℀", "\u202e", "é",
    ]
)  # fmt: skip
urls = st.none() | st.lists(pieces, max_size=8).map("".join) | st.text(max_size=20)


@given(some=st.lists(urls, max_size=6))
def test_as_each_url_by_itself(some):
    encodable = [url and url.encode("utf-8", "replace").decode() for url in some]
    found = count_domains(pa.chunked_array([pa.array(encodable, pa.string())]))
    assert found == Counter(registered_domain(url or "") for url in encodable)


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://shop.example.co.uk/a?b#c", "example.co.uk"),
        ("https://user@a.example:8080/b", "a.example"),
        ("http://127.0.0.1/p.jpg", "127.0.0.1"),
        ("https://shop.example.co.uk./a", "example.co.uk"),  # RFC 1034, 3.1
        ("https://www.city.kawasaki.jp/", "city.kawasaki.jp"),  # publicsuffix.org, test_psl.txt
        ("https://shop.xn--85x722f.com.cn/", "xn--85x722f.com.cn"),
        ("no address", ""),
        (None, ""),
    ],
)
def test_domain(url, domain):
    assert count_domains(pa.chunked_array([pa.array([url, url], pa.string())])) == {domain: 2}

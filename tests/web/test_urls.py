from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.urls import UrlSettings, absolute, bucket_of_url, host_of, url_problem

SETTINGS = UrlSettings(max_chars=100, max_host_chars=20, drop_suffixes=(".svg", ".gif"), drop_hosts=("ads.example",))


@pytest.mark.parametrize(
    ("base", "reference", "expected"),
    [
        ("https://a.example/x/y.html", "p.jpg", "https://a.example/x/p.jpg"),
        ("https://a.example/x/y.html", "../p.jpg", "https://a.example/p.jpg"),
        ("https://a.example/", "//b.example/p.jpg", "https://b.example/p.jpg"),
        ("https://a.example/", " p.jpg\n", "https://a.example/p.jpg"),
        ("https://a.example/", "p q.jpg", "https://a.example/p%20q.jpg"),
        ("https://a.example/", "HTTPS://B.EXAMPLE:443/./p.jpg#top", "https://b.example/p.jpg"),
        ("https://a.example/", "http://exämple.org/p", "http://xn--exmple-cua.org/p"),
        ("https://a.example/", "http://2130706433/p", "http://127.0.0.1/p"),
        ("https://a.example/", "http://[::1", None),
        ("https://a.example/", "http://:80/", None),
    ],
)
def test_absolute(base, reference, expected):
    assert absolute(base, reference) == expected


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://a.example/p.jpg", None),
        ("data:image/png;base64,AAAA", "url_scheme"),
        ("javascript:void(0)", "url_scheme"),
        ("https://a.example/p.SVG", "url_suffix"),
        ("https://a.example/p.gif?x=1", "url_suffix"),
        ("https://a.example/gif.jpg", None),
        ("https://" + "a" * 21 + "/p.jpg", "url_host"),
        ("https://a.example/" + "p" * 100, "url_too_long"),
        ("https://ads.example/p.jpg", "url_dropped_host"),
        ("https://x.ads.example/p.jpg", "url_dropped_host"),
        ("https://notads.example/p.jpg", None),
    ],
)
def test_url_problem(url, problem):
    assert url_problem(url, SETTINGS) == problem


def test_one_host_one_bucket():
    assert len({bucket_of_url(f"https://A.example:8080/{n}", 64) for n in range(50)} | {bucket_of_url("http://a.example/", 64)}) == 1


@given(st.text(), st.text())
def test_never_raises(base, reference):
    url = absolute(base, reference)
    assert url is None or isinstance(url_problem(url, SETTINGS), str | None)
    assert isinstance(host_of(reference), str)

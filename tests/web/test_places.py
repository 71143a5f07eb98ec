"""What people type for a place; the URL Standard's own test data says what a host is."""

from __future__ import annotations

from importlib import resources

import pytest

from pairsieve.web.places import (
    NotAPlace,
    address_key,
    places_of,
    read_host,
    read_place,
    read_url,
    spellings,
)
from pairsieve.web.urls import host_of
from tests.support.oracles import oracle

SAME_HOST = [
    "müller.example",
    "MÜLLER.example",
    "mu\u0308ller.example",  # u and a combining diaeresis
    "xn--mller-kva.example",
    "XN--MLLER-KVA.EXAMPLE.",
    "müller。example",  # the ideographic full stop
    "ｍüller.example",  # a full-width letter
    "m%C3%BCller.example",
    "*.müller.example",
    ".müller.example",
    "//müller.example/",
    "http://müller.example",
    "https://müller.example:443/",
    "HTTPS:müller.example",
    "müller.example:8080",
    "https://user:word@müller.example/#top",
    "  müller.example/?  ",
    "müller.example/*",
]


@pytest.mark.parametrize("typed", SAME_HOST)
def test_spellings_of_one_host(typed):
    assert read_host(typed) == "xn--mller-kva.example"


ADDRESSES = {
    "127.0.0.1": "127.0.0.1",
    "http://0x7f.1:8080/": "127.0.0.1",
    "2130706433": "127.0.0.1",
    "2001:DB8::1": "2001:db8::1",
    "[2001:db8:0::0:1]:80": "2001:db8::1",
    "https://[2001:db8::1]/": "2001:db8::1",
}


@pytest.mark.parametrize(("typed", "host"), ADDRESSES.items())
def test_addresses_are_hosts(typed, host):
    assert read_host(typed) == host


REFUSED = [
    "", " ", ".", "*", "*.", "https://", "a", "com", "localhost", "a b.example", "a..example", "-",
    "256.1.1.1", "a.example/x", "anna@a.example", "mailto:anna@a.example", "javascript:alert(1)",
    "data:text/html,x", "ftp://a.example/", "file:///etc/passwd", "https://a.example/?id=3",
    "[2001:db8::1", "a.example,b.example", "<a.example>", "x" * 64 + ".example",
    "a." * 126 + "example",
]  # fmt: skip


@pytest.mark.parametrize("typed", REFUSED)
def test_what_is_no_host(typed):
    with pytest.raises(NotAPlace):
        read_host(typed)


def test_public_suffixes_are_refused():
    """Every suffix of the list without a wildcard, as the list itself writes them."""
    listed = resources.files("publicsuffixlist").joinpath("public_suffix_list.dat")
    lines = listed.read_text("utf-8").splitlines()
    suffixes = [line for line in lines if "." in line and line[0] not in "/*!"]
    assert len(suffixes) > 5000
    for suffix in suffixes[::25]:
        with pytest.raises(NotAPlace):
            read_place(suffix)
        assert read_host(f"https://a.{suffix}/").startswith("a.")


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("a.example/~anna/", "/~anna/"),
        ("a.example/%7eanna/*", "/~anna/"),
        ("HTTPS://A.example/%7Eanna/", "/~anna/"),
        ("a.example/ä", "/%C3%A4"),
        ("a.example/%c3%a4", "/%C3%A4"),
        ("a.example/b/../~anna/", "/~anna/"),
        ("a.example\\~anna\\", "/~anna/"),
    ],
)
def test_spellings_of_one_path(typed, path):
    place = read_place(typed)
    assert (place.host, place.path, place.query) == ("a.example", path, "")
    assert f"a.example{path}" in places_of("http://a.example/%7Eanna/1.jpg") or "~" not in path


def test_an_address_is_the_same_under_both_schemes_and_with_a_dot():
    key = "https://a.example/~me.jpg"
    for typed in (
        "a.example/~me.jpg",
        "http://A.example.:80/%7eme.jpg?",
        "https://a.example./~me.jpg#x",
    ):
        assert key in spellings(read_url(typed))
    assert address_key("no url") == "no url"
    assert spellings("no url") == ("no url",)


def test_hosts_of_the_standards_own_cases():
    """Whatever a browser reads as http(s) with a host that the public internet can have."""
    cases = oracle("urltestdata.json")
    seen = 0
    for case in cases:
        if not isinstance(case, dict) or case.get("failure") or case.get("base"):
            continue
        if case["protocol"] not in ("http:", "https:") or not case["input"].startswith("http"):
            continue
        hostname = case["hostname"].strip("[]").rstrip(".")
        try:
            place = read_place(case["input"])
        except NotAPlace:
            # A name of one label, or one with characters that no real host has.
            assert "." not in hostname or not hostname.replace(".", "").replace("-", "").isalnum()
            continue
        assert place.host == hostname == host_of(case["href"]).rstrip(".")
        seen += 1
    assert seen > 50

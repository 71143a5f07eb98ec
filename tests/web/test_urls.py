from __future__ import annotations

import re
from hashlib import blake2b
from pathlib import Path

import ada_url
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.web.urls import (
    _PLAIN_BASE,
    NO_PARTS,
    NO_PORT,
    UrlParts,
    UrlSettings,
    absolute,
    bucket_of_url,
    canonical,
    host_of,
    joined,
    parts_of,
    resolver,
    url_checker,
)
from tests.support.layers import LAYERS

SETTINGS = UrlSettings(
    max_chars=100,
    max_host_chars=20,
    drop_suffixes=(".svg", ".gif"),
    drop_hosts=("ads.example",),
    drop_domains=("img.shop.co.uk",),
)
CHECK = url_checker(SETTINGS)


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
        ("https://shop.co.uk/p.jpg", "url_dropped_domain"),
        ("https://cdn.shop.co.uk/p.jpg", "url_dropped_domain"),
        ("https://other.co.uk/p.jpg", None),
        ("https://co.uk/p.jpg", None),
        ("https://127.0.0.1/p.jpg", None),
        ("https://x.ads.example:8080/p.jpg", "url_dropped_host"),
        ("https://u:p@x.ads.example/p.jpg", "url_credentials"),
        ("https://a.example/%7B%7B%20image.url%20%7D%7D", "url_template"),
        ("https://a.example/undefined", "url_template"),
        ("https://ads.example@a.example/p.jpg", "url_credentials"),
        ("https://[::1]:80/p.gif#x", "url_suffix"),
        ("https://a.example?p.gif", None),
        ("https://[::1/p.jpg", "url_host"),
        ("https:///p.jpg", "url_host"),
    ],
)
def test_url_problem(url, problem):
    assert CHECK(url) == problem


def test_one_host_one_bucket():
    assert (
        len(
            {bucket_of_url(f"https://A.example:8080/{n}", 64) for n in range(50)}
            | {bucket_of_url("http://a.example/", 64)}
        )
        == 1
    )


@given(st.sampled_from(["http://", "https://", "data:", "x://", "//", ""]), st.text(), st.text())
def test_the_bucket_is_that_of_the_host(scheme, authority, rest):
    for url in (f"{scheme}{authority}/{rest}", f"{scheme}{authority}?{rest}", scheme + authority):
        digest = blake2b(host_of(url).encode("utf-8", "surrogatepass"), digest_size=8).digest()
        assert bucket_of_url(url, 1000) == int.from_bytes(digest, "big") % 1000


@given(st.from_regex(_PLAIN_BASE, fullmatch=True))
def test_a_plain_url_is_absolute_as_it_stands(url):
    assert absolute(url, "") == str(ada_url.join_url(url, "")) == url


@given(
    st.sampled_from(["http://", "https://", "HTTP://", "http:/", ""]),
    st.text("aA0.-_:@[]\u0130\u3002 \n\t%", max_size=6),
    st.text("/?#:@ \n[a", max_size=4),
)
def test_the_host_of_a_plain_url_is_what_urllib_finds(scheme, authority, rest):
    assert host_of(scheme + authority + rest) == parts_of(scheme + authority + rest).host


@given(st.text(), st.text())
def test_never_raises(base, reference):
    url = absolute(base, reference)
    assert url is None or isinstance(CHECK(url), str | None)
    assert isinstance(host_of(reference), str)


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://a.example/%7Eann/p%2fq.jpg", "https://a.example/~ann/p%2Fq.jpg"),
        ("https://a.example/p.jpg?", "https://a.example/p.jpg"),
        ("https://a.example/p.jpg??", "https://a.example/p.jpg??"),
        ("https://a.example/p.jpg?b=?", "https://a.example/p.jpg?b=?"),
        ("https://a.example/p.jpg?b=1&a=2", "https://a.example/p.jpg?b=1&a=2"),
        ("https://a.example/p%20q%C3%A4%c3.jpg", "https://a.example/p%20q%C3%A4%C3.jpg"),
        ("https://a.example/100%", "https://a.example/100%"),
    ],
)
def test_canonical(url, form):
    assert canonical(url) == form


@given(st.text(alphabet="%0aAfF7e?&/.~-_2", max_size=30))
def test_canonical_is_stable(path):
    assert canonical(canonical(f"https://a.example/{path}")) in (
        canonical(f"https://a.example/{path}"),
        canonical(canonical(canonical(f"https://a.example/{path}"))),
    )


REFERENCES = (
    st.from_regex(r"/?[a-zA-Z0-9_./ -]{0,12}", fullmatch=True)
    | st.text(alphabet="abC/.:?#%@\\\t -_01", max_size=12)
    | st.text(max_size=8)
)
BASES = st.sampled_from(
    [
        "https://a.example", "https://A.example:443/x/y/z.html?q=/r#s", "http://a.example:8080/x/",
        "https://a.example/x/../y", "http://[::1]/a/b",
        "https://a.example/x/y.html", "https://a.example/x/y/", "https://a.b-c.example/x//y",
        "https://a.example/x/.y", "https://xn--a.example/x/",
        "https://a.1/x/", "https://1.2.3.4/x/y", "https://a..example/x/", "https://u:p@a.example/x",
        "file:///x/y", "about:blank", "no url", "https://exämple.org/ü/x", "http://1/x/%7e/y",
    ]
)  # fmt: skip


@given(BASES, REFERENCES)
def test_plain_paths_are_resolved_as_all_others(base, reference):
    assert resolver(base)(reference) == absolute(base, reference)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://U:p@A.Example:8080/x.jpg?q#f", UrlParts("https", "a.example", 8080, "/x.jpg")),
        ("http://[::1]/", UrlParts("http", "::1", None, "/")),
        ("http://a.example:99999/", UrlParts("http", "a.example", NO_PORT, "/")),
        ("http://a.example:http/", UrlParts("http", "a.example", NO_PORT, "/")),
        ("http://[::1", NO_PARTS),
        ("http://[::1/p.jpg", NO_PARTS),
        ("http://::1]/", NO_PARTS),
        ("http://[a.example]/", NO_PARTS),
        ("http://a.example\u2100b/", NO_PARTS),
        ("", NO_PARTS),
    ],
)
def test_parts(url, parts):
    assert parts_of(url) == parts


@given(st.text() | st.text(alphabet="htp:/[]@#?.%\\19a\u2100\uff11\ud800 ", max_size=40))
def test_any_text_has_parts(text):
    assert isinstance(parts_of(text), UrlParts)
    assert isinstance(parts_of(f"http://{text}/").host, str)
    assert isinstance(joined("https://a.example/", text), str)


def test_no_other_module_takes_addresses_of_others_apart():
    """urlsplit and urljoin raise on what hostile pages hold.

    Those named here are given what a user or a browser wrote.
    """
    root = Path(__file__).resolve().parent.parent.parent
    found = {
        str(path.relative_to(root))
        for package in LAYERS
        for path in (root / package).rglob("*.py")
        if re.search(r"\b(urlsplit|urlparse|urljoin)\b", path.read_text("utf-8"))
    }
    assert found == {"pairsieve/web/urls.py", "pipeline/orchestrate/beam_options.py"}

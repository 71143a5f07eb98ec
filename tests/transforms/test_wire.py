"""What goes over the wire: the URL that was judged, no credentials, headers up to 64 KB, and blame
where it belongs.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from urllib.parse import urlsplit

import pytest

from pairsieve.web.answer import Answer, FetchRequest
from pairsieve.web.urls import absolute
from tests.support.fetching import ask_all, client_settings
from tests.support.oracles import ORACLES, oracle
from tests.support.raw_site import NOT_FOUND, PICTURE, serve_raw

# What stands behind the origin, as pages write it; the WHATWG rules say what is sent.
SHAPES = [
    "/a%2Cb.jpg", "/a,b.jpg", "/a%3Ab", "/a:b", "/a%40b", "/a@b", "/a%21b", "/a!b", "/a%24b",
    "/a$b", "/a%26b", "/a&b", "/a%27b", "/a'b", "/a%28b%29",
    "/a(b)", "/a%2Ab", "/a*b", "/a%2Bb", "/a+b", "/a%3Bb", "/a;b", "/a%3Db", "/a=b", "/a%2Fb",
    "/a%5Cb", "/a\\b", "/a%7Eb", "/~b", "/%7eanna/", "/a%2e%2e/b",
    "/a%2E", "/%41%42", "/h%C3%B6he", "/h%c3%b6he", "/höhe", "/日本/写真.jpg", "/a%20b", "/a b",
    "/a%25b", "/a%b", "/a%zz", "/a|b", "/a^b", "/a`b", "/a{b}", "/a[b]",
    '/a"b', "/a<b>", "//a//b", "/a//", "/.hidden", "/a/./b/../c", "/?q=a%2Cb", "/?q=a,b", "/?q=a%20b", "/?q=a+b", "/?q=a b", "/?q=ö", "/?q=%F6",
    "/?q=a%26b&c", "/?a=b=c", "/?a?b", "/?a/b", "/?q='", "/?q=|", "/?q=^", "/?q={}", "/?q=[]",
    "/?q=%27", "/?X-Amz-Signature=a%2Fb%3D&X-Amz-Date=2", "/?&&", "/?q#f",
    "/a;v=1.2/b", "/w_300,h_200,c_fill/v1/p.jpg", "/https://b.example/p.jpg",
    "/https%3A%2F%2Fb.example%2Fp.jpg", "/%E0%A4%A", "/a%00b", "/=?utf-8", "/a%0Ab", "/%",
]  # fmt: skip


def send(settings, urls):
    answers: list[Answer] = []
    asyncio.run(
        ask_all(settings, [FetchRequest(url, lambda *_: None, answers.append) for url in urls])
    )
    return {answer.url: answer.status for answer in answers}


def settings_for(site, **changes):
    return client_settings(
        site, **{"total_timeout_s": 20, "read_timeout_s": 20, "connections_per_host": 8, **changes}
    )


def target_of(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def sent(urls: list[str]) -> Counter[str]:
    with serve_raw(lambda target: NOT_FOUND if target == "/robots.txt" else PICTURE) as site:
        statuses = send(settings_for(site), [site.origin + url for url in urls])
    assert set(statuses.values()) == {"ok"}
    return Counter(target.removesuffix("?") for target in site.targets if target != "/robots.txt")


def test_there_are_enough_shapes():
    assert len(set(SHAPES)) >= 70


def test_paths_and_queries_are_sent_as_they_were_judged():
    judged = {
        target_of(absolute("http://127.0.0.1/", "http://127.0.0.1" + shape)) for shape in SHAPES
    }
    assert sent(sorted(judged)) == Counter(judged)


def test_every_href_of_the_public_suite():
    """urltestdata.json (web-platform-tests): `pathname` and `search` are what the standard says is
    asked for.
    """
    cases = [
        case
        for case in oracle("urltestdata.json")
        if isinstance(case, dict) and not case.get("failure")
    ]
    cases = [
        case
        for case in cases
        if case["protocol"] in ("http:", "https:") and not case["username"] + case["password"]
    ]
    targets = {case["pathname"] + case["search"] for case in cases} - {"/robots.txt"}
    assert len(targets) > 90
    assert sent(sorted(targets)) == Counter(targets)


@pytest.mark.skipif(not ORACLES.exists(), reason="the public suites' right answers are not here")
def test_references_are_resolved_as_the_public_suite_says():
    wrong = []
    for case in oracle("urltestdata.json"):
        if isinstance(case, dict) and case["base"] and not case.get("failure"):
            found = absolute(case["base"], case["input"])
            if found != case["href"].partition("#")[0]:
                wrong.append((case["base"], case["input"], case["href"], found))
    assert wrong == []


@pytest.mark.parametrize(
    "url",
    [
        "http://anna:secret@127.0.0.1:{port}/p.jpg",
        "http://anna@127.0.0.1:{port}/p.jpg",
        "http://:secret@127.0.0.1:{port}/p.jpg",
    ],
)
def test_credentials_are_never_sent(url):
    with serve_raw(lambda target: PICTURE) as site:
        assert list(send(settings_for(site), [url.format(port=site.port)]).values()) == [
            "url_credentials"
        ]
    assert site.requests == []


def test_a_redirect_gives_no_credentials_away():
    def respond(target):
        where = f"http://anna:secret@127.0.0.1:{site.port}/inside.jpg"
        moved = f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {where}\r\n\r\n".encode()
        return {"/robots.txt": NOT_FOUND, "/p.jpg": moved}.get(target, PICTURE)

    with serve_raw(respond) as site:
        assert set(send(settings_for(site), [f"{site.origin}/p.jpg"]).values()) == {"ok"}
    assert site.targets[-1] == "/inside.jpg"
    assert not [
        line
        for _, headers in site.requests
        for line in headers
        if line.lower().startswith("authorization")
    ]


@pytest.mark.parametrize("path", ["/robots.txt", "/p.jpg"])
@pytest.mark.parametrize("size", [9_000, 30_000, 65_536])
def test_long_headers_are_taken(path, size):
    def respond(target):
        policy = b"Content-Security-Policy: " + b"x" * size + b"\r\n"
        whole = NOT_FOUND if target == "/robots.txt" else PICTURE
        return whole.replace(b"\r\n", b"\r\n" + policy, 1) if target == path else whole

    with serve_raw(respond) as site:
        assert set(send(settings_for(site), [f"{site.origin}/p.jpg"]).values()) == {"ok"}


def failing(status: bytes = b"", headers: bytes = b""):
    """A host that answers robots.txt and fails otherwise."""
    return lambda target: (
        NOT_FOUND
        if target == "/robots.txt"
        else b"HTTP/1.1 %s\r\n%sContent-Length: 0\r\n\r\n" % (status, headers)
        if status
        else b""
    )


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (b"", b"", "connection_error"),
        (b"500 No", b"", "http_error"),
        (b"503 No", b"Retry-After: 9999\r\n", "host_busy"),
        (b"429 No", b"Retry-After: 0\r\n", "host_busy"),
    ],
)
def test_a_redirector_is_not_blamed_for_where_it_leads(status, headers, expected):
    """Pictures of the redirector's own are asked for after a host that it leads to has failed many
    times.
    """
    with serve_raw(failing(status, headers), "127.0.0.2") as there:

        def redirecting(target):
            if target.startswith("/there"):
                return f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {there.origin}{target}\r\n\r\n".encode()
            return NOT_FOUND if target == "/robots.txt" else PICTURE

        with serve_raw(redirecting) as site:
            limits = settings_for(
                site,
                ports=(site.port, there.port),
                allow_networks=("127.0.0.0/8",),
                connections=1,
                host_failures=3,
                retries=0,
            )
            leading = [f"{site.origin}/there{n}.jpg" for n in range(6)]
            own = [f"{site.origin}/own{n}.jpg" for n in range(6)]
            found = send(limits, [url for both in zip(leading, own, strict=True) for url in both])
    assert {found[url] for url in own} == {"ok"}
    assert {found[url] for url in leading} <= {
        expected,
        "host_left_alone",
        "robots_unreachable",
        "connection_error",
    }
    assert "host_left_alone" in {found[url] for url in leading}, (
        "the host that failed is left alone"
    )

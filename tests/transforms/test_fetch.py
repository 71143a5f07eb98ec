"""Fetching: consent before the request, one request a URL, one status each; hostile servers on
loopback.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import time
from collections import Counter

import pytest

from filters.registry import build_detectors, build_rules
from pairsieve.records.pair import Pair
from pairsieve.web.addresses import is_allowed_address
from pairsieve.web.requester import retry_after_s
from tests.support.fetching import fetch, pair
from tests.support.site import PICTURE


def test_a_picture(site):
    (image,), stored = fetch(site, [pair(f"{site.origin}/picture.jpg")])
    digest = hashlib.sha256(PICTURE).hexdigest()
    assert (image.status, image.http_status, image.size_bytes, image.sha256) == (
        "ok",
        200,
        len(PICTURE),
        digest,
    )
    assert image.md5 == hashlib.md5(PICTURE).hexdigest()
    assert image.content_type == "image/jpeg"
    assert stored == {digest: PICTURE}
    assert site.agents == {"pairsieve (+https://example.org/bot)"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/gone.jpg", "http_error"),
        ("/empty.jpg", "empty"),
        ("/large.jpg", "too_large"),
        ("/endless.jpg", "too_large"),
        ("/bomb.jpg", "too_large"),
        ("/lies.jpg", "connection_error"),
        ("/round.jpg", "too_many_redirects"),
        ("/nowhere.jpg", "bad_redirect"),
        ("/blank.jpg", "bad_redirect"),
        ("/inside.jpg", "private_address"),
        ("/file.jpg", "scheme_not_allowed"),
        ("/noai.jpg", "refused_by_response"),
    ],
)
def test_every_url_ends_in_one_status(site, path, status):
    (image,), stored = fetch(site, [pair(site.origin + path)])
    assert image.status == status
    assert stored == {}


def test_a_picture_that_never_comes(site):
    # On a busy machine robots.txt may not come within a short timeout either.
    for timeout_s in (0.5, 5, 20):
        limits = {"read_timeout_s": timeout_s, "total_timeout_s": timeout_s}
        (image,), stored = fetch(site, [pair(f"{site.origin}/slow.jpg")], **limits)
        if image.status != "robots_unreachable":
            break
    assert image.status == "timeout"
    assert stored == {}


def test_redirects_are_followed(site):
    (image,), _ = fetch(site, [pair(f"{site.origin}/moved.jpg")])
    assert image.status == "ok"
    assert image.final_url == f"{site.origin}/picture.jpg"


def test_what_the_answer_says_is_evidence(site):
    (image,), _ = fetch(site, [pair(f"{site.origin}/noai.jpg")])
    assert image.evidence == {"response_rights_signals": ("noai",)}


def test_nothing_is_asked_of_those_who_said_no(site):
    images, _ = fetch(site, [pair(f"{site.origin}/picture.jpg", signals=("noai",))])
    assert [image.status for image in images] == ["not_requested"]
    assert not site.asked


def test_one_request_for_a_url_of_many_pairs(site):
    images, stored = fetch(
        site, [pair(f"{site.origin}/picture.jpg", f"caption {n}") for n in range(5)]
    )
    assert {image.status for image in images} == {"ok"}
    assert site.asked == {"/robots.txt": 1, "/picture.jpg": 1}
    assert len(stored) == 1


@pytest.mark.parametrize(
    ("robots", "status"),
    [
        ((404, ""), "ok"),
        ((200, ""), "ok"),
        ((200, "User-agent: *\nDisallow: /private"), "ok"),
        ((200, "User-agent: *\nDisallow: /"), "robots_disallowed"),
        ((200, "User-agent: pairsieve\nDisallow: /picture"), "robots_disallowed"),
        ((200, "User-agent: other\nDisallow: /"), "ok"),
        ((500, ""), "robots_unreachable"),
        ((503, "User-agent: *\nAllow: /"), "robots_unreachable"),
    ],
)
def test_robots_txt(site, robots, status):
    site.robots = robots
    (image,), _ = fetch(site, [pair(f"{site.origin}/picture.jpg")])
    assert image.status == status
    assert site.asked["/picture.jpg"] == (status == "ok")


@pytest.mark.parametrize("read_timeout_s", [0.2, 30])
def test_a_robots_txt_that_never_comes_is_a_no(site, caplog, read_timeout_s):
    site.robots = (0, "")
    images, _ = fetch(
        site,
        [pair(f"{site.origin}/picture{n}.jpg") for n in range(3)],
        total_timeout_s=0.5,
        read_timeout_s=read_timeout_s,
    )
    assert {image.status for image in images} <= {"robots_unreachable", "timeout"}
    assert set(site.asked) <= {"/robots.txt"}, "no picture is asked for"
    assert "never retrieved" not in caplog.text


def test_connections_to_a_host_are_limited(site):
    fetch(site, [pair(f"{site.origin}/picture{n}.jpg") for n in range(30)], connections_per_host=2)
    assert site.most_at_once <= 2


def test_requests_to_a_host_are_spaced(site):
    start = time.monotonic()
    fetch(site, [pair(f"{site.origin}/picture{n}.jpg") for n in range(4)], min_interval_s=0.1)
    assert time.monotonic() - start >= 0.4  # five requests with robots.txt


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/picture.jpg",
        "http://localhost:{port}/picture.jpg",
        "http://[::1]:{port}/picture.jpg",
    ],
)
def test_private_addresses_are_not_asked(site, url):
    (image,), _ = fetch(site, [pair(url.format(port=site.port))], allow_networks=())
    assert image.status == "private_address"
    assert not site.asked


def test_other_ports_are_not_asked(site):
    (image,), _ = fetch(site, [pair(f"{site.origin}/picture.jpg")], ports=(80, 443))
    assert image.status == "port_not_allowed"


def test_nobody_there(site):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    (image,), _ = fetch(site, [pair(f"http://127.0.0.1:{port}/picture.jpg")], ports=(port,))
    assert image.status == "robots_unreachable", "robots.txt that cannot be read is a no"


def test_a_rule_that_raises_asks_for_nothing(site):
    broken = Pair(
        b"k" * 16,
        f"{site.origin}/picture.jpg",
        "c",
        "en",
        "en",
        "",
        "",
        0,
        "",
        "",
        0,
        {"page_rights_signals": 7},
    )
    (image,), _ = fetch(site, [broken])
    assert (image.status, image.errors) == ("error", ("TypeError",))
    assert not site.asked


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.215.14", True), ("2606:2800:220:1::", True),
        ("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.1", False), ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False), ("::1", False), ("::", False), ("fe80::1%eth0", False), ("fc00::1",
        False), ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False), ("64:ff9b::5db8:d70e", True), ("2002:a00:1::", False),
        ("2001:0:1::f5ff:fffe", False),
        ("::ffff:10.0.0.1", False), ("224.0.0.1", False), ("ff02::1", False), ("100.64.0.1", False),
        ("255.255.255.255", False),
    ],
)  # fmt: skip
def test_addresses(address, allowed):
    assert is_allowed_address(address, ()) == allowed


def test_allowed_networks():
    assert is_allowed_address("10.1.2.3", ("10.0.0.0/8",))
    assert is_allowed_address("::ffff:10.1.2.3", ("10.0.0.0/8",))
    assert not is_allowed_address("10.1.2.3", ("192.168.0.0/16",))


def test_rules_that_save_requests_are_known():
    detectors = build_detectors(
        {"page_rights": {}, "response_rights": {}, "picture_metadata": {}, "medical_caption": {}}
    )
    rules = build_rules({"rights": {"profile": "respect"}, "subset": {"keep": ["en"]}}, detectors)
    assert all(rule.saves_request for rule in rules)


@pytest.mark.parametrize(
    "busy",
    [
        (429, {"Retry-After": "0"}),
        (503, {"Retry-After": "Thu, 01 Jan 2015 00:00:00 GMT"}),
        (503, {}),
    ],
)
def test_a_busy_host_is_asked_again(site, busy, monkeypatch):
    monkeypatch.setattr("pairsieve.web.requester.BACK_OFF_S", 0.01)
    site.first["/picture.jpg"] = [busy, busy]
    (image,), _ = fetch(site, [pair(f"{site.origin}/picture.jpg")])
    assert image.status == "ok"
    assert site.asked["/picture.jpg"] == 3


def test_a_host_that_stays_busy_is_given_up(site, monkeypatch):
    monkeypatch.setattr("pairsieve.web.requester.BACK_OFF_S", 0.01)
    site.first["/picture.jpg"] = [(503, {})] * 10
    (image,), _ = fetch(site, [pair(f"{site.origin}/picture.jpg")])
    assert (image.status, image.http_status) == ("host_busy", 503)
    assert site.asked["/picture.jpg"] == 3


def test_a_host_that_wants_a_long_pause_is_left_alone(site):
    site.first["/picture.jpg"] = [(429, {"Retry-After": "3600"})]
    images, _ = fetch(
        site,
        [
            pair(f"{site.origin}/picture.jpg"),
            *(pair(f"{site.origin}/other{n}.jpg") for n in range(20)),
        ],
        connections=1,
    )
    assert sorted({image.status for image in images}) == ["host_busy", "host_left_alone"]
    assert site.asked.total() == 2, "robots.txt and one picture"


def test_the_pause_that_a_host_asks_for_is_kept_by_all(site):
    site.first["/picture.jpg"] = [(429, {"Retry-After": "1"})]
    started = time.monotonic()
    images, _ = fetch(
        site, [pair(f"{site.origin}/picture.jpg"), pair(f"{site.origin}/other.jpg")], connections=1
    )
    assert time.monotonic() - started >= 1
    assert [image.status for image in images] == ["ok", "ok"]


def test_a_host_that_keeps_failing_is_left_alone(site):
    for n in range(30):
        site.first[f"/p{n}.jpg"] = [(500, {})]
    images, _ = fetch(
        site, [pair(f"{site.origin}/p{n}.jpg") for n in range(30)], connections=1, host_failures=5
    )
    assert Counter(image.status for image in images) == {"http_error": 5, "host_left_alone": 25}


def test_failures_that_are_not_in_a_row_are_forgiven(site):
    for n in range(0, 30, 2):
        site.first[f"/p{n}.jpg"] = [(500, {})]
    images, _ = fetch(
        site, [pair(f"{site.origin}/p{n}.jpg") for n in range(30)], connections=1, host_failures=2
    )
    assert Counter(image.status for image in images) == {"http_error": 15, "ok": 15}


def test_crawl_delay_is_kept(site):
    site.robots = (200, "User-agent: *\nCrawl-delay: 0.3")
    started = time.monotonic()
    images, _ = fetch(site, [pair(f"{site.origin}/p{n}.jpg") for n in range(4)])
    assert time.monotonic() - started >= 0.9
    assert {image.status for image in images} == {"ok"}


def test_a_crawl_delay_beyond_our_patience_is_a_no(site):
    site.robots = (200, "User-agent: *\nCrawl-delay: 86400")
    (image,), _ = fetch(site, [pair(f"{site.origin}/picture.jpg")])
    assert image.status == "crawl_delay_too_long"


@pytest.mark.parametrize(
    ("robots", "respect", "status"),
    [
        ("User-agent: GPTBot\nDisallow: /", True, "robots_ai_disallowed"),
        ("User-agent: GPTBot\nDisallow: /", False, "ok"),
        ("User-agent: *\nContent-Signal: ai-train=no", True, "robots_ai_reserved"),
        ("User-agent: *\nContent-Usage: train-ai=n", False, "robots_ai_reserved"),
    ],
)
def test_what_robots_txt_says_of_ai(site, robots, respect, status):
    site.robots = (200, robots)
    (image,), _ = fetch(site, [pair(f"{site.origin}/picture.jpg")], robots_ai_agents=respect)
    assert image.status == status


@pytest.mark.parametrize(
    ("tdmrep", "kind", "status"),
    [
        (None, "", "ok"),
        ('[{"location": "/private/*", "tdm-reservation": 1}]', "application/json", "ok"),
        (
            '[{"location": "/pict*.jpg$", "tdm-reservation": 1}]',
            "application/json",
            "tdmrep_reserved",
        ),
        ('[{"location": "/", "tdm-reservation": "1"}]', "text/plain", "tdmrep_reserved"),
        ('[{"location": "/", "tdm-reservation": 0}]', "application/json", "ok"),
        ('[{"location": "/", "tdm-reservation": 2}]', "application/json", "ok"),
        ('[{"tdm-reservation": 1}]', "application/json", "tdmrep_reserved"),
        ("{}", "application/json", "tdmrep_reserved"),
        ("[", "application/octet-stream", "tdmrep_reserved"),
        ("nothing here", "application/json; charset=utf-8", "tdmrep_reserved"),
        ("<!doctype html><title>Not found</title>", "text/html", "ok"),
        ("<html>", "application/octet-stream", "ok"),
        ("not found", "text/plain", "ok"),
        ("[]", "application/json", "ok"),
    ],
)
def test_what_tdmrep_says(site, tdmrep, kind, status):
    site.robots = (200, "User-agent: somebody\nDisallow: /")
    if tdmrep is None:
        site.first["/.well-known/tdmrep.json"] = [(404, {})]
    else:
        site.contents["/.well-known/tdmrep.json"] = tdmrep.encode()
        site.types["/.well-known/tdmrep.json"] = kind
    (image,), _ = fetch(site, [pair(f"{site.origin}/picture.jpg")], tdmrep=True)
    assert image.status == status
    assert site.asked["/.well-known/tdmrep.json"] == 1


def test_a_tdmrep_that_does_not_come_is_a_no(site):
    site.first["/.well-known/tdmrep.json"] = [(500, {})]
    (image,), _ = fetch(site, [pair(f"{site.origin}/picture.jpg")], tdmrep=True)
    assert image.status == "reservation_unreachable"


def test_tdmrep_is_not_asked_for_unless_wanted(site):
    fetch(site, [pair(f"{site.origin}/picture.jpg")])
    assert "/.well-known/tdmrep.json" not in site.asked


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Thu, 01 Jan 2015 00:00:00 GMT", 0),
        ("soon", None),
        ("", None),
        ("-5", None),
    ],
)
def test_retry_after(value, seconds):
    assert retry_after_s(value) == seconds

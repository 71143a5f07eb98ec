"""Asking for a known picture again: which requests are made, and what settles them.

The servers are of others: aiohttp's static files (ETag, dates, ranges, HEAD) and nginx where it is
installed. What some servers do wrong comes from a server of our own.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from benchmarks.fetch_servers import nginx
from pairsieve.web.again import FIRST_BYTES, first_bytes_of, is_same_by_headers
from pairsieve.web.answer import Answer, FetchRequest, PictureBefore
from pairsieve.web.client_settings import ClientSettings
from pairsieve.web.urls import url_id
from tests.support.fetching import ask_all, client_settings
from tests.support.site import Site, serve

BODY = bytes(range(256)) * 8
MODIFIED = "Mon, 01 Jan 2024 00:00:00 GMT"
MODIFIED_S = 1_704_067_200
LATER_S = MODIFIED_S + 90 * 86_400
FETCHED = "2024-06-01T00:00:00Z"


def settings_for(port: int) -> ClientSettings:
    site = Site()
    site.port = port
    return client_settings(site, max_bytes=100_000)


def ask(url: str, known: PictureBefore, port: int, refuse: bool = False) -> Answer:
    answers: list[Answer] = []

    def check(_url: str, _final: str, _headers: object) -> str | None:
        return "refused_by_response" if refuse else None

    request = FetchRequest(url, check, answers.append, known=known)
    asyncio.run(ask_all(settings_for(port), [request]))
    (answer,) = answers
    return answer


def known_at(url: str, **changes: object) -> PictureBefore:
    first = PictureBefore(url_id(url), len(BODY), fetched_at=FETCHED)
    return replace(first, **changes)


@contextmanager
def files_of_aiohttp(folder: Path, asked: list[str]) -> Iterator[int]:
    """aiohttp's own server of static files; `asked` gets the method of each request."""

    async def answer(request: web.Request) -> web.StreamResponse:
        name = request.path.strip("/")
        if not (folder / name).exists():
            return web.Response(status=404)
        asked.append(request.method)
        return web.FileResponse(folder / name)

    with serve(answer) as port:
        yield port


def write_picture(folder: Path, content: bytes = BODY, modified_s: int = MODIFIED_S) -> Path:
    path = folder / "a.png"
    path.write_bytes(content)
    os.utime(path, (modified_s, modified_s))
    return path


@pytest.fixture(params=["aiohttp", "nginx"])
def server(request, tmp_path):
    """(folder, port, what was asked; None where the server does not tell)."""
    folder = tmp_path / "www"
    folder.mkdir()
    if request.param == "aiohttp":
        asked: list[str] = []
        with files_of_aiohttp(folder, asked) as port:
            yield folder, port, asked
    else:
        if not shutil.which("nginx"):
            pytest.skip("nginx is not installed")
        # Its workers may run as another user, who cannot enter pytest's own folders.
        with tempfile.TemporaryDirectory() as name:
            Path(name).chmod(0o755)
            with nginx(Path(name), tmp_path, 1) as port:
                yield Path(name), port, None


def test_a_file_of_others_the_first_and_the_second_time(server):
    folder, port, asked = server
    write_picture(folder)
    url = f"http://127.0.0.1:{port}/a.png"
    first = ask(url, known_at(url), port)
    assert (first.status, first.how, first.body) == ("unchanged", "head", b"")
    headers = {name.lower(): value for name, value in first.headers}
    known = known_at(
        url, fetched_at="", etag=headers["etag"], last_modified=headers["last-modified"]
    )
    second = ask(url, known, port)
    assert (second.status, second.how) == ("unchanged", "head")
    if asked is not None:
        assert asked == ["HEAD"] * 2


@pytest.mark.parametrize(
    ("content", "modified_s"),
    [
        (BODY[:-1] + b"x", LATER_S),
        (BODY + b"x", MODIFIED_S),
        (b"x" + BODY[1:], LATER_S),
        (b"short", MODIFIED_S),
    ],
)
@pytest.mark.parametrize("has_first_bytes", [False, True])
def test_a_changed_file_of_others_is_read_whole(server, content, modified_s, has_first_bytes):
    folder, port, _ = server
    write_picture(folder)
    url = f"http://127.0.0.1:{port}/a.png"
    before = ask(url, known_at(url), port)
    headers = {name.lower(): value for name, value in before.headers}
    known = known_at(
        url,
        etag=headers["etag"],
        last_modified=headers["last-modified"],
        first_bytes=first_bytes_of(BODY) if has_first_bytes else "",
    )
    write_picture(folder, content, modified_s)
    answer = ask(url, known, port)
    assert (answer.status, answer.how, answer.body) == ("ok", "whole", content)


def test_the_whole_picture_is_asked_for_whatever_the_headers_say(server):
    folder, port, _ = server
    write_picture(folder)
    url = f"http://127.0.0.1:{port}/a.png"
    answer = ask(url, known_at(url, whole=True, last_modified=MODIFIED), port)
    assert (answer.status, answer.body) == ("ok", BODY)


def test_first_bytes_of_a_file_of_others(server):
    """Where no validator is known, a range shows that the begin and the length are the same."""
    folder, port, asked = server
    write_picture(folder)
    url = f"http://127.0.0.1:{port}/a.png"
    known = known_at(url, fetched_at="", first_bytes=first_bytes_of(BODY))
    answer = ask(url, known, port)
    assert (answer.status, answer.how) == ("unchanged", "first_bytes")
    if asked is not None:
        assert asked == ["GET"]


def test_a_missing_file_of_others_is_asked_for_with_get_too(server):
    _, port, _ = server
    url = f"http://127.0.0.1:{port}/gone.png"
    answer = ask(url, known_at(url), port)
    assert (answer.status, answer.http_status) == ("http_error", 404)


Behaviour = dict[str, object]


@contextmanager
def odd_server(behaviour: Behaviour, asked: list[str]) -> Iterator[int]:
    """A server that refuses HEAD (`head`: its status), or always answers 304 (`always_304`)."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if not request.path.endswith(".png"):
            return web.Response(status=404)
        asked.append(request.method)
        headers = dict(behaviour.get("headers", {}))  # type: ignore[call-overload]
        if request.method == "HEAD" and "head" in behaviour:
            return web.Response(status=int(str(behaviour["head"])))
        if behaviour.get("always_304"):
            return web.Response(status=304)
        is_known = request.headers.get("If-None-Match") == headers.get("ETag")
        if headers.get("ETag") and is_known and not behaviour.get("ignores_conditions"):
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = "image/png"
        if "Range" in request.headers and behaviour.get("ranges"):
            headers["Content-Range"] = str(behaviour["ranges"])
            return web.Response(status=206, body=BODY[:FIRST_BYTES], headers=headers)
        return web.Response(body=BODY, headers=headers)

    with serve(answer) as port:
        yield port


@pytest.mark.parametrize("head", [400, 401, 403, 404, 405, 500, 501])
def test_a_refused_head_says_nothing(head):
    asked: list[str] = []
    with odd_server({"head": head, "headers": {"ETag": '"a"'}}, asked) as port:
        url = f"http://127.0.0.1:{port}/a.png"
        answer = ask(url, known_at(url, etag='"a"'), port)
    assert (answer.status, answer.how) == ("unchanged", "condition")
    assert asked == ["HEAD", "GET"]


WHOLE_RANGE = f"bytes 0-{FIRST_BYTES - 1}/{len(BODY)}"


@pytest.mark.parametrize(
    ("content_range", "modified", "how"),
    [
        (WHOLE_RANGE, MODIFIED, "first_bytes"),
        (WHOLE_RANGE, "Sun, 01 Nov 2026 00:00:00 GMT", "whole"),
        (WHOLE_RANGE, "", "whole"),
        (f"bytes 0-{FIRST_BYTES - 1}/9", MODIFIED, "whole"),
        (f"bytes 0-{FIRST_BYTES - 1}/*", MODIFIED, "whole"),
        (f"bytes 9-{FIRST_BYTES + 8}/{len(BODY)}", MODIFIED, "whole"),
        ("nonsense", MODIFIED, "whole"),
    ],
)
def test_where_head_is_refused_the_headers_of_the_first_bytes_count(content_range, modified, how):
    asked: list[str] = []
    headers = {"Last-Modified": modified} if modified else {}
    with odd_server({"head": 405, "headers": headers, "ranges": content_range}, asked) as port:
        url = f"http://127.0.0.1:{port}/a.png"
        answer = ask(url, known_at(url), port)
    assert answer.how == how
    assert answer.status == ("unchanged" if how == "first_bytes" else "ok")
    assert answer.body == (b"" if how == "first_bytes" else BODY)


def test_a_server_that_ignores_conditions_serves_the_picture_again():
    asked: list[str] = []
    behaviour: Behaviour = {
        "head": 405,
        "headers": {"ETag": '"a"'},
        "ignores_conditions": True,
    }
    with odd_server(behaviour, asked) as port:
        url = f"http://127.0.0.1:{port}/a.png"
        answer = ask(url, known_at(url, etag='"a"'), port)
    assert (answer.status, answer.how, answer.body) == ("ok", "whole", BODY)


def test_a_304_that_nobody_asked_for_settles_nothing():
    asked: list[str] = []
    with odd_server({"head": 405, "always_304": True}, asked) as port:
        url = f"http://127.0.0.1:{port}/a.png"
        whole = ask(url, known_at(url, whole=True, etag='"a"'), port)
        elsewhere = ask(url, known_at("http://127.0.0.1/b.png", etag='"a"'), port)
    for answer in (whole, elsewhere):
        assert (answer.status, answer.http_status) == ("http_error", 304)


def test_headers_that_refuse_end_it_before_the_body():
    asked: list[str] = []
    with odd_server({"headers": {"ETag": '"a"', "X-Robots-Tag": "noai"}}, asked) as port:
        url = f"http://127.0.0.1:{port}/a.png"
        answer = ask(url, known_at(url, etag='"a"'), port, refuse=True)
    assert answer.status == "refused_by_response"
    assert asked == ["HEAD"]


LENGTH = ("Content-Length", str(len(BODY)))


@pytest.mark.parametrize(
    ("known", "headers", "same"),
    [
        # RFC 9110, 8.8.3.2: strong tags are compared as they are.
        ({"etag": '"a"'}, [LENGTH, ("ETag", '"a"')], True),
        ({"etag": '"a"'}, [("ETag", '"a"')], True),
        ({"etag": '"a"'}, [LENGTH, ("ETag", '"b"')], False),
        ({"etag": '"a"'}, [LENGTH], False),
        ({"etag": '"a"'}, [("Content-Length", "7"), ("ETag", '"a"')], False),
        # A weak one allows other bytes.
        ({"etag": 'W/"a"'}, [LENGTH, ("ETag", 'W/"a"')], False),
        (
            {"etag": 'W/"a"', "last_modified": MODIFIED},
            [LENGTH, ("ETag", 'W/"a"'), ("Last-Modified", MODIFIED)],
            True,
        ),
        ({"last_modified": MODIFIED}, [LENGTH, ("Last-Modified", MODIFIED)], True),
        ({"last_modified": MODIFIED}, [("Last-Modified", MODIFIED)], False),
        ({"last_modified": MODIFIED}, [LENGTH], False),
        # After the fetch: not modified since, with a minute between (RFC 9110, 8.8.2.2).
        ({"fetched_at": "2024-01-01T00:01:00Z"}, [LENGTH, ("Last-Modified", MODIFIED)], True),
        ({"fetched_at": "2024-01-01T00:00:59Z"}, [LENGTH, ("Last-Modified", MODIFIED)], False),
        ({"fetched_at": FETCHED}, [LENGTH], False),
        ({"fetched_at": FETCHED}, [LENGTH, ("Last-Modified", "yesterday")], False),
        ({"fetched_at": "soon"}, [LENGTH, ("Last-Modified", MODIFIED)], False),
        # Numbers that no file has say nothing, and raise nothing.
        ({"etag": '"a"'}, [("Content-Length", "9" * 5000), ("ETag", '"a"')], True),
        (
            {"last_modified": MODIFIED},
            [("Content-Length", "-1"), ("Last-Modified", MODIFIED)],
            False,
        ),
        ({"etag": "a" * 500}, [LENGTH, ("ETag", "a" * 60_000)], False),
        ({"etag": "a" * 500}, [LENGTH, ("ETag", "a" * 500)], True),
        # A page in its place, whatever else is said.
        ({"etag": '"a"'}, [LENGTH, ("ETag", '"a"'), ("Content-Type", "text/html")], False),
    ],
)
def test_what_headers_show(known, headers, same):
    complete = PictureBefore(url_id("https://a.example/"), len(BODY), **known)
    assert is_same_by_headers(complete, tuple(headers)) is same


def test_first_bytes():
    assert first_bytes_of(BODY) == hashlib.sha256(BODY[:FIRST_BYTES]).hexdigest()
    assert first_bytes_of(BODY[:FIRST_BYTES]) == "", "a picture that short is asked for whole"

from __future__ import annotations

import contextlib
import io
import json
import os
import socket

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pairsieve.erasure.list_file import UnreadableList, read_lines
from pairsieve.erasure.lists import read_lists
from pairsieve.erasure.requests import (
    MalformedRequests,
    parse_request,
    read_requests,
    requests_of_list,
)
from pairsieve.web.places import places_of

SHA = "ab" * 32


@pytest.mark.parametrize(
    ("given_line", "kind", "values"),
    [
        ({"image_url": "https://a.example/me.jpg"}, "image_url", ("https://a.example/me.jpg",)),
        ({"page_url": "http://a.example"}, "page_url", ("http://a.example/",)),
        ({"domain": "Pictures.A.example"}, "domain", ("pictures.a.example",)),
        ({"domain": "a.example."}, "domain", ("a.example",)),
        ({"domain": "https://*.MÜLLER.example:443/"}, "domain", ("xn--mller-kva.example",)),
        ({"image_url": "a.example/me.jpg"}, "image_url", ("https://a.example/me.jpg",)),
        ({"prefix": "http://a.example/%7Eanna/*"}, "prefix", ("a.example/~anna/",)),
        ({"prefix": "A.example/~Anna/"}, "prefix", ("a.example/~Anna/",)),
        ({"sha256": SHA.upper()}, "sha256", (SHA,)),
        ({"md5": "cd" * 16, "receipt": "5f0c2b1a"}, "md5", ("cd" * 16,)),
        ({"key": "ef" * 16}, "key", ("ef" * 16,)),
    ],
)
def test_requests(given_line, kind, values):
    request = parse_request(json.dumps(given_line))
    assert (request.kind, request.values) == (kind, values)


def test_a_hash_stands_for_all_orientations():
    request = parse_request(json.dumps({"pdq": "0f" * 32}))
    assert len(set(request.values)) == 8
    assert "0f" * 32 in request.values


def test_an_example_becomes_hashes(tmp_path):
    content = io.BytesIO()
    Image.effect_noise((200, 200), 90).convert("RGB").save(content, "PNG")
    (tmp_path / "me.png").write_bytes(content.getvalue())
    request = parse_request('{"image": "me.png"}', str(tmp_path))
    assert len(request.values) == 8
    assert [len(h) for h in request.bytes_hashes] == [64, 32]
    assert request.covers_copies


MALFORMED = [
    ("", "not a JSON object"),
    ("[1]", "not a JSON object"),
    ("{}", "give one of image_url"),
    ('{"image_url": "https://a.example/", "domain": "a.example"}', "give one of"),
    ('{"image_url": "https://a.example/", "name": "Anna"}', "nothing else may be stored"),
    ('{"image_url": "https://a.example/", "reason": "x"}', "nothing else may be stored"),
    ('{"image_url": "me"}', "not a URL, such as"),
    ('{"image_url": "javascript:alert(1)"}', "begins with http or https"),
    ('{"page_url": "anna@a.example"}', "e-mail address"),
    ('{"domain": "a.example", "copies": "yes"}', "copies must be true or false"),
    ('{"image_url": 3}', "must be text"),
    ('{"image_url": "https://a.example/", "receipt": "Anna Berger"}', "a receipt is"),
    ('{"domain": "a.example/x"}', "name a whole host"),
    ('{"domain": "example"}', "not a host"),
    ('{"domain": "co.uk"}', "public suffix"),
    ('{"prefix": "github.io/anna"}', "public suffix"),
    ('{"prefix": "a.example/p?id=3"}', "must be a host and a path"),
    ('{"prefix": "a.example"}', "must be a host and a path"),
    ('{"prefix": "a.example/"}', "must be a host and a path"),
    ('{"sha256": "abc"}', "64 hex digits"),
    ('{"md5": "' + "z" * 32 + '"}', "32 hex digits"),
    ('{"pdq": "' + "0" * 63 + '"}', "64 hex digits"),
    ('{"image": "missing.png"}', "cannot be read"),
    ('{"prefix": "a.example/\\ud800"}', "half a letter"),
]


@pytest.mark.parametrize(("line", "message"), MALFORMED)
def test_malformed_requests_are_named(line, message):
    with pytest.raises(ValueError, match=message):
        parse_request(line or "no json")


def test_one_malformed_line_and_none_is_applied(tmp_path):
    path = tmp_path / "requests.jsonl"
    path.write_text('{"domain": "a.example"}\n\n{"domain": 3}\n{"secret words": 1}\n')
    with pytest.raises(MalformedRequests) as raised:
        read_requests(str(path))
    said = str(raised.value)
    assert "line 3: " in said
    assert "line 4: " in said
    assert "secret words" not in said
    path.write_text("\n")
    with pytest.raises(MalformedRequests, match="no requests"):
        read_requests(str(path))
    with pytest.raises(MalformedRequests, match="cannot be read"):
        read_requests(str(tmp_path / "none"))


def test_a_picture_that_is_none_is_malformed(tmp_path):
    (tmp_path / "me.png").write_bytes(b"junk")
    with pytest.raises(ValueError, match="not a picture that can be read"):
        parse_request('{"image": "me.png"}', str(tmp_path))


def test_places_of_a_url():
    places = list(places_of("https://www.pics.a.example:8080/~anna/2013/me.jpg?x=1"))
    assert places[:3] == ["www.pics.a.example", "pics.a.example", "a.example"]
    assert "www.pics.a.example/~anna/" in places
    assert "www.pics.a.example/~anna" in places
    assert "www.pics.a.example/~anna/2013/me.jpg" in places
    assert "a.example/~anna/" not in places
    assert "example" not in places


@given(st.text(max_size=40))
def test_places_of_anything(path):
    assert next(places_of(f"https://a.example/{path.replace('[', '')}")) == "a.example"


@pytest.mark.parametrize(
    ("text", "kind", "known"),
    [
        (
            "ab" * 16 + "\n" + "CD" * 32 + "\n\n" + "ef" * 20,
            "auto",
            {"md5": 1, "sha256": 1, "sha1": 1, "pdq": 0},
        ),
        ("ab" * 32, "pdq", {"md5": 0, "sha256": 0, "sha1": 0, "pdq": 1}),
        (
            f"name,MD5,pdq\nx,{'ab' * 16},{'cd' * 32}\ny,,{'ce' * 32}",
            "auto",
            {"md5": 1, "sha256": 0, "sha1": 0, "pdq": 2},
        ),
    ],
)
def test_hash_lists(text, kind, known, tmp_path):
    (tmp_path / "list").write_text(text)
    found = read_lists({str(tmp_path / "list"): kind}).known
    assert {name: len(values) for name, values in found.items()} == known


@pytest.mark.parametrize("text", ["xyz", "ab" * 15, "sha256\n" + "ab" * 16, "md5,sha1\nab,cd"])
def test_half_a_list_is_none(text, tmp_path):
    (tmp_path / "list").write_text(text)
    with pytest.raises(UnreadableList, match="line"):
        read_lists({str(tmp_path / "list"): "auto"})


def test_what_lists_match(tmp_path):
    (tmp_path / "list").write_text(f"sha256,pdq\n{SHA},{'0f' * 32}\n")
    known = read_lists({str(tmp_path / "list"): "auto"})
    assert known.match(None, None, SHA) == "sha256"
    assert known.match(None, None, None, ["0f" * 31 + "0e"]) == "pdq"
    assert known.match(None, None, None, ["aa" * 32, "0f" * 32]) == "pdq"
    assert known.match(None, None, None, ["aa" * 32]) is None
    assert [r.kind for r in requests_of_list(str(tmp_path / "list"), "auto")] == ["sha256", "pdq"]


def test_lists_that_rows_cannot_be_matched_with(tmp_path):
    (tmp_path / "list").write_text("ef" * 20)
    with pytest.raises(MalformedRequests, match="SHA-1"):
        requests_of_list(str(tmp_path / "list"), "auto")
    with pytest.raises(MalformedRequests, match="unknown type of hash"):
        requests_of_list(str(tmp_path / "list"), "crc")


@pytest.fixture
def photos(tmp_path):
    """A folder of requests with pictures in it and beside it, links to both, and what is no
    file.
    """
    content = io.BytesIO()
    Image.effect_noise((200, 200), 90).convert("RGB").save(content, "PNG")
    inside = tmp_path / "inside"
    (inside / "photos").mkdir(parents=True)
    for place in (
        inside / "me.png",
        inside / "photos" / "me [1] #2 ~100%.png",
        tmp_path / "outside.png",
        tmp_path / "inside2.png",
    ):
        place.write_bytes(content.getvalue())
    (inside / "in.png").symlink_to("photos/me [1] #2 ~100%.png")
    (inside / "out.png").symlink_to("../outside.png")
    (inside / "folder-out").symlink_to("..")
    (inside / "loop.png").symlink_to("loop.png")
    os.mkfifo(inside / "pipe.png")
    return inside


@pytest.mark.parametrize(
    "name",
    ["me.png", "./me.png", "photos/me [1] #2 ~100%.png", "in.png", "photos//me [1] #2 ~100%.png"],
)
def test_examples_lie_below_the_folder_of_their_file(name, photos):
    (photos / "requests.jsonl").write_text(json.dumps({"image": name}))
    (request,) = read_requests(str(photos / "requests.jsonl"))
    assert request.kind == "image"


OUTSIDE = [
    "../outside.png", "photos/../../outside.png", "out.png", "folder-out/outside.png",
    "{folder}/outside.png", "{folder}/inside/me.png",
    "file:///etc/passwd", "file://{folder}/inside/me.png", "http://127.0.0.1:{port}/me.png",
    "HTTP://127.0.0.1:{port}/me.png",
    "simplecache::http://127.0.0.1:{port}/me.png", "zip://me.png::{folder}/inside/x.zip",
    "local://{folder}/outside.png", "memory://me.png",
    "s3://bucket/me.png", "\\\\server\\me.png", "..\\outside.png", "/etc/passwd", "", " ", "photos",
    ".", "pipe.png", "loop.png",
    "me.png\0.txt", "../inside2.png", "../inside/me.png", "x" * 5000, "/dev/zero", "photos/..",
    "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_nothing_else_is_opened(name, photos, monkeypatch):
    def opened(path, *_):
        raise AssertionError("fsspec was asked")

    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(0)
        written = name.format(folder=photos.parent, port=listener.getsockname()[1])
        (photos / "requests.jsonl").write_text(json.dumps({"image": written}))
        lines = read_lines(str(photos / "requests.jsonl"))
        monkeypatch.setattr("pairsieve.storage.files.open_read", opened)
        monkeypatch.setattr("pairsieve.erasure.requests.read_lines", lambda path: lines)
        with pytest.raises(MalformedRequests, match=r"line 1: (image|the example)") as raised:
            read_requests(str(photos / "requests.jsonl"))
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert "outside" not in str(raised.value)


def test_examples_beside_requests_in_a_store(photos):
    fs = fsspec.filesystem("memory")
    fs.pipe(
        {
            "/store/me.png": (photos / "me.png").read_bytes(),
            "/other/me.png": (photos / "me.png").read_bytes(),
        }
    )
    fs.pipe("/store/requests.jsonl", json.dumps({"image": "me.png"}).encode())
    assert len(read_requests("memory://store/requests.jsonl")) == 1
    for name in (
        "../other/me.png",
        "/other/me.png",
        "%2e%2e/other/me.png",
        "memory://other/me.png",
        "*.png",
        "me.png?x",
        "me.png#x",
    ):
        fs.pipe("/store/requests.jsonl", json.dumps({"image": name}).encode())
        with pytest.raises(MalformedRequests, match="image must be"):
            read_requests("memory://store/requests.jsonl")


def test_without_a_file_no_example_is_opened(photos, monkeypatch):
    monkeypatch.chdir(photos)
    with pytest.raises(ValueError, match="only a file of requests names one"):
        parse_request('{"image": "me.png"}')


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"domain": ' + b"9" * 10_000 + b"}",
        b"\xff\xff",
        b"\0",
        b'"\\ud800"',
    ],
)
def test_files_of_nonsense_are_malformed(content, tmp_path):
    (tmp_path / "requests.jsonl").write_bytes(content)
    with pytest.raises(MalformedRequests):
        read_requests(str(tmp_path / "requests.jsonl"))

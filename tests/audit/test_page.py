"""The page shows captions one by one, and lets in nobody but the person who was given its key."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from pairsieve.audit.labels import LabelFile, SampleName
from pairsieve.audit.page import Item, make_app
from tests.support.asgi import Client

KEY = "k" * 32
COOKIE = ("cookie", f"pairsieve_audit={KEY}")
HOSTILE = "<script>alert(1)</script> \u202egpj"
ITEMS = [Item("a" * 32, "a cat"), Item("b" * 32, HOSTILE), Item("c" * 32, "a dog")]


@pytest.fixture
def labels(tmp_path):
    name = SampleName("patients", 1, 3, 1, "d", "r")
    return LabelFile(str(tmp_path / "labels.jsonl"), name)


@pytest.fixture
def app(labels):
    pictures = {"a" * 32: b"jpeg"}
    return make_app("Is it one?", ITEMS, labels, pictures.get, KEY)


def get(app, path, query="", headers=(COOKIE,), **more):
    return Client(app).ask("GET", path, query=query.encode(), headers=headers, **more)


def post(app, path, headers=(COOKIE,), **form):
    body = urlencode(form).encode()
    all_headers = [*headers, ("content-length", str(len(body)))]
    return Client(app).ask("POST", path, headers=all_headers, chunks=[body])


def test_it_goes_from_row_to_row(app, labels):
    assert "a cat" in get(app, "/").body.decode()
    answered = post(app, "/label", row=0, label="no")
    assert (answered.status, answered.headers["location"]) == (303, "/")
    page = get(app, "/").body.decode()
    assert "1 of 3" in page
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page
    assert "\u202e" not in page
    post(app, "/label", row=1, label="unsure")
    post(app, "/label", row=2, label="yes")
    assert "Every row is labelled" in get(app, "/").body.decode()
    assert labels.labels == {"a" * 32: "no", "b" * 32: "unsure", "c" * 32: "yes"}


def test_the_last_answer_is_taken_back_once(app, labels):
    post(app, "/label", row=0, label="no")
    post(app, "/label", row=1, label="yes")
    for _ in range(2):
        # The same button, pressed twice.
        assert post(app, "/undo", done=2).status == 303
    assert labels.labels == {"a" * 32: "no"}


def test_the_first_of_two_answers_stays(app, labels):
    post(app, "/label", row=0, label="no")
    post(app, "/label", row=0, label="yes")
    assert labels.labels == {"a" * 32: "no"}


@pytest.mark.parametrize(
    "form",
    [{}, {"row": 3, "label": "no"}, {"row": -1, "label": "no"}, {"row": 0, "label": "maybe"},
     {"row": "٣", "label": "no"}, {"row": "9" * 5000, "label": "no"}],
)  # fmt: skip
def test_what_is_no_answer_is_refused(app, labels, form):
    assert post(app, "/label", **form).status == 400
    assert labels.labels == {}


def test_a_picture_is_loaded_where_it_is_asked_for(app):
    assert "<img" not in get(app, "/").body.decode()
    assert 'src="/picture?row=0"' in get(app, "/", "picture=1").body.decode()
    shown = get(app, "/picture", "row=0")
    assert (shown.status, shown.body) == (200, b"jpeg")
    assert shown.headers["content-type"] == "image/jpeg"
    assert get(app, "/picture", "row=1").status == 404
    assert get(app, "/picture", "row=7").status == 404


def test_the_key_becomes_a_cookie(app):
    entered = get(app, "/", f"key={KEY}", headers=())
    assert (entered.status, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"].lower()
    assert cookie.startswith(f"pairsieve_audit={KEY}")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert get(app, "/", "key=wrong", headers=()).status == 403


@pytest.mark.parametrize(
    "headers", [(), [("cookie", "pairsieve_audit=wrong")], [("cookie", "pairsieve_audit=\xe9")]]
)
def test_without_the_key_nothing_is_shown(app, labels, headers):
    for path, query in (("/", ""), ("/picture", "row=0")):
        shown = get(app, path, query, headers=headers)
        assert shown.status == 403
        assert b"cat" not in shown.body
    assert post(app, "/label", headers, row=0, label="no").status == 403
    assert post(app, "/undo", headers, done=0).status == 403
    assert labels.labels == {}


def test_other_sites_and_other_names_are_refused(app, labels):
    other = (COOKIE, ("origin", "https://other.example"))
    assert post(app, "/label", other, row=0, label="no").status == 403
    assert get(app, "/", host="other.example").status == 400
    assert labels.labels == {}


def test_it_loads_nothing_from_other_hosts(app):
    policy = get(app, "/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "img-src 'self';" in policy
    with TestClient(app, base_url="http://localhost") as client:
        for path in ("/static/style.css", "/own/label.css", "/own/label.js"):
            assert client.get(path).status_code == 200

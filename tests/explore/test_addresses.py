"""An address is typed as one has it; others that most likely are the same are offered with it."""

from __future__ import annotations

import html
import re

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from pairsieve.erasure.match import Matcher
from pairsieve.erasure.queue import waiting
from pairsieve.erasure.requests import parse_request
from pairsieve.explore.texts import LANGUAGES, texts_for
from tests.explore.conftest import indexed

ROWS = [
    {"URL": "https://a.example/cat.jpg", "TEXT": "one", "page_url": "https://a.example/cats"},
    {"URL": "http://www.a.example/cat.jpg?utm_source=x", "TEXT": "two", "page_url": "https://b.example/"},
    {"URL": "https://a.example/cat.jpg?id=2", "TEXT": "three", "page_url": "https://a.example/cats/?fbclid=1"},
    {"URL": "https://b.example/<b>.jpg", "TEXT": "four", "page_url": "https://www.a.example/cats/"},
    {"URL": 'https://b.example/"x".jpg', "TEXT": "five", "page_url": "https://www.b.example"},
]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return indexed(tmp_path_factory.mktemp("addresses") / "out", ROWS)


@pytest.fixture
def client(place, served):
    app = served(dataset=str(place), index=f"{place}.index")
    return TestClient(app, raise_server_exceptions=False)


def offered(page: str) -> list[str]:
    return [html.unescape(value) for value in re.findall(r'name="address" value="([^"]+)"', page)]


PICTURE = '{"image_url": "https://a.example/cat.jpg"}'
OTHER_PICTURE = '{"image_url": "http://www.a.example/cat.jpg?utm_source=x"}'
PAGES = [
    '{"page_url": "https://a.example/cats/?fbclid=1"}',
    '{"page_url": "https://www.a.example/cats/"}',
]


@pytest.mark.parametrize(
    ("typed", "captions", "addresses"),
    [
        ("https://a.example/cat.jpg", {"one"}, [PICTURE, OTHER_PICTURE]),
        ("<http://a.example/cat.jpg#x>", {"one"}, ['{"image_url": "http://a.example/cat.jpg#x"}', OTHER_PICTURE]),
        ("www.a.example/cat.jpg", set(), [PICTURE, OTHER_PICTURE]),
        ("https://a.example/cat.jpg?gclid=7", set(), [PICTURE, OTHER_PICTURE]),
        ("https://a.example/cats", {"one"}, ['{"page_url": "https://a.example/cats"}', *PAGES]),
        ("https://a.example/cat.jpg?id=2", {"three"}, []),
        ("https://a.example/dog.jpg", set(), []),
        ("https://www.b.example/%22x%22.jpg", set(), ['{"image_url": "https://b.example/\\"x\\".jpg"}']),
    ],
)  # fmt: skip
def test_what_is_found_and_what_is_offered(client, typed, captions, addresses):
    page = client.get("/", params={"q": typed}).text
    found = set(re.findall(r'<p class="caption"><bdi>([^<]*)</bdi>', page))
    assert found == captions
    assert sorted(offered(page)) == sorted(addresses)


def test_they_are_asked_for_together(client, tmp_path):
    page = client.get("/", params={"q": "https://a.example/cat.jpg"}).text
    form = client.post("/ask", data={"address": offered(page)}).text
    assert "These addresses (2)" in form
    assert "http://www.a.example/cat.jpg?utm_source=x</bdi>" in form
    token = re.search(r'name="token" value="([^"]+)"', form)[1]
    sent = client.post(
        "/send", data={"token": token, "what": "addresses", "address": offered(form)}
    )
    (queued,) = waiting(str(tmp_path / "queue"))
    assert queued.receipt in sent.text
    requests = [parse_request(line) for line in queued.lines]
    hits = Matcher(requests).find(pa.Table.from_pylist(ROWS))
    assert {ROWS[row]["TEXT"] for row in hits} == {"one", "two"}


def test_only_some_of_them(client, tmp_path):
    form = client.post("/ask", data={"address": [OTHER_PICTURE]}).text
    token = re.search(r'name="token" value="([^"]+)"', form)[1]
    client.post("/send", data={"token": token, "what": "addresses", "address": [OTHER_PICTURE]})
    (queued,) = waiting(str(tmp_path / "queue"))
    assert list(queued.requests) == [{"image_url": "http://www.a.example/cat.jpg?utm_source=x"}]


@pytest.mark.parametrize(
    "field", ["x", "[1]", '{"sha256": 3}', "[" * 10_000, "{}", '{"domain": "a.example"}']
)
def test_fields_that_the_page_did_not_write(client, tmp_path, field):
    form = client.post("/ask", data={"address": [field]})
    assert form.status_code == 200
    token = re.search(r'name="token" value="([^"]+)"', form.text)[1]
    answer = client.post("/send", data={"token": token, "what": "addresses", "address": [field]})
    assert answer.status_code == 400
    assert list(waiting(str(tmp_path / "queue"))) == []


def test_the_json_interface_offers_them_too(client):
    answer = client.get("/api/search", params={"image_url": "https://a.example/cat.jpg"}).json()
    assert answer["total"] == 1
    assert answer["same_addresses"] == [
        {"image_url": "http://www.a.example/cat.jpg?utm_source=x", "rows": 1}
    ]
    assert client.get("/api/search", params={"words": "one"}).json()["same_addresses"] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_offers_them(client, language):
    page = client.get("/", params={"q": "https://a.example/cat.jpg", "lang": language}).text
    assert texts_for(language, "")("same_address") in html.unescape(page)

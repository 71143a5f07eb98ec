"""What every request passes: asked as ASGI, so that it is seen what is read of a body."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pairsieve.erasure.queue import waiting
from pairsieve.explore.app import RULES, rule_of
from pairsieve.explore.forms import SubmittedRequests
from pairsieve.explore.gate import MAX_PARAMETERS, MAX_URL_BYTES, Gate, RequestRule
from pairsieve.explore.limits import RateLimits
from pairsieve.explore.texts import LANGUAGES, texts_for
from tests.support.asgi import Client

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
POSTS = [
    "/picture",
    "/ask",
    "/send",
    "/api/requests",
    "/",
    "/api/search",
    "/nowhere",
    "/healthz",
    "/static/style.css",
]
CHUNK = b"x" * 100_000


@pytest.fixture
def client(served):
    return Client(served())


@pytest.mark.parametrize("path", POSTS)
def test_a_body_that_says_that_it_is_too_large_is_not_read(client, path):
    most = rule_of("POST", path).max_bytes
    client.ask(
        "POST",
        path,
        headers=[("content-length", str(most + 1)), ("expect", "100-continue")],
        chunks=[CHUNK],
    )
    assert (client.status, client.read) == (413, 0)
    assert client.headers["connection"] == "close"


@pytest.mark.parametrize("path", POSTS)
def test_a_body_that_does_not_say_so_is_read_to_its_bound(client, path):
    bound = rule_of("POST", path).max_bytes // len(CHUNK)
    headers = [("transfer-encoding", "chunked"), ("expect", "100-continue")]
    client.ask("POST", path, headers=headers, chunks=[CHUNK] * 1000)
    assert client.status == 413
    assert client.read <= bound + 2


@pytest.mark.parametrize("path", [path for path in POSTS if path != "/static/style.css"])
def test_a_request_is_counted_before_its_body_is_read(served, path):
    app = served(limits=RateLimits(*["1/hour"] * 4))
    headers = [("content-length", "5"), ("expect", "100-continue")]
    Client(app).ask("POST", path, headers=headers, chunks=[b"12345"])
    second = Client(app).ask("POST", path, headers=headers, chunks=[b"12345"])
    assert (second.status, second.read) == (429, 0)
    assert int(second.headers["retry-after"]) > 0


def test_other_addresses_of_a_site_are_the_same_visitor(served):
    app = served(limits=RateLimits("3/hour", "3/hour", "3/hour", "3/hour"))
    statuses = [
        Client(app).ask("GET", "/api/search", address=f"2001:db8::{n:x}").status
        for n in range(1, 41)
    ]
    assert statuses == [200] * 3 + [429] * 37
    assert Client(app).ask("GET", "/api/search", address="2001:db9::1").status == 200


def test_a_body_that_does_not_come(served):
    app = served()
    gate = Gate(app.app, lambda *_: RequestRule(body_s=0.05), app.hosts, app.rates, app.refuse)

    async def ask():
        async def never():
            await asyncio.sleep(3600)

        statuses = []

        async def send(message):
            statuses.append(message.get("status"))

        raw = [(b"host", b"localhost"), (b"content-length", b"9"), (b"expect", b"100-continue")]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/send",
            "raw_path": b"/send",
            "query_string": b"",
            "headers": raw,
            "scheme": "http",
        }
        await gate(
            {
                **scope,
                "client": ("192.0.2.1", 1),
                "server": ("localhost", 80),
                "root_path": "",
                "http_version": "1.1",
            },
            never,
            send,
        )
        return statuses[0]

    assert asyncio.run(ask()) == 408


def post_json(app, body: bytes):
    chunks = [body[at : at + 65_536] for at in range(0, len(body), 65_536)] or [b""]
    return Client(app).ask(
        "POST",
        "/api/requests",
        headers=[("transfer-encoding", "chunked"), ("expect", "100-continue")],
        chunks=chunks,
    )


DOMAIN = {"domain": "a.example"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"no json", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b'{"requests":' * 10_000, 400),
        (b'{"requests":[' + b"1," * 90_000 + b"1]}", 400),
        (b'{"requests":[' + b"1," * 1_000_000 + b"1]}", 413),
        (b'{"requests":[{"domain":"a.example","domain":' + b"9" * 100_000 + b"}]}", 400),
        (b'{"requests":[{"domain":"\\ud800.example"}]}', 400),
        (json.dumps({"requests": [DOMAIN] * 401}).encode(), 400),
        (json.dumps({"requests": [DOMAIN], "contact": "x" * 201}).encode(), 400),
        (
            json.dumps(
                {"requests": [{"image_url": "https://a.example/" + "x" * 50_000_000}]}
            ).encode(),
            413,
        ),
        (
            json.dumps({"requests": [{"image_url": "https://a.example/" + "x" * 2_000}]}).encode(),
            400,
        ),
        (
            json.dumps({"requests": [{"page_url": " " * 2_000 + "https://a.example/"}]}).encode(),
            400,
        ),
        (json.dumps({"requests": [{"domain": "a." * 130 + "example"}]}).encode(), 400),
        (json.dumps({"requests": [{"prefix": "a.example/" + "x" * 2_000}]}).encode(), 400),
        (json.dumps({"requests": [{"sha256": "a" * 65}]}).encode(), 400),
        (json.dumps({"requests": [DOMAIN]}).encode(), 201),
        (
            json.dumps(
                {"requests": [{"image_url": "https://a.example/" + "x" * 1_900}] * 90}
            ).encode(),
            201,
        ),
    ],
)
def test_json(served, tmp_path, body, status):
    assert post_json(served(), body).status == status
    assert len(list(waiting(str(tmp_path / "queue")))) == (status == 201)


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(requests=JSONS, contact=JSONS, cut=st.integers(0, 20))
def test_any_json_is_answered(client, requests, contact, cut):
    body = json.dumps({"requests": requests, "contact": contact}).encode()
    assert post_json(client.app, body[: len(body) - cut]).status in (201, 400)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        (b"q=" + b"x" * MAX_URL_BYTES, 414),
        (b"&".join([b"domain=a.example"] * (MAX_PARAMETERS + 1)), 400),
        (b"&".join([b"domain=a.example"] * MAX_PARAMETERS), 200),
        (b"q=" + b"x" * 15_000, 200),
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/search"])
def test_the_length_of_a_url(client, path, query, status):
    assert client.ask("GET", path, query=query).status == status


@pytest.mark.parametrize(
    "name", ["words", "image_url", "page_url", "domain", "licence", "subset", "language", "tag"]
)
def test_the_length_of_a_parameter(client, name):
    most = 2_000 if name in ("words", "image_url", "page_url") else 255
    beginning = {"image_url": "https://a.example/", "page_url": "https://a.example/"}
    # Blanks before a domain are letters of the parameter, and no part of the host.
    value = beginning.get(name, "+" * most + "a.example" if name == "domain" else "")[-most:]
    for padding, status in ((0, 200), (1, 422)):
        filled = value + "x" * (most - len(value) + padding)
        answer = client.ask("GET", "/api/search", query=f"{name}={filled}".encode())
        assert answer.status == status


@pytest.mark.parametrize("name", ["image_url", "page_url", "domain"])
def test_what_is_no_place_is_said(client, name):
    for text in ("co.uk", "anna@a.example", "nothing"):
        answer = client.ask("GET", "/api/search", query=f"{name}={text}".encode())
        assert answer.status == (400 if name == "domain" or text != "co.uk" else 200)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "",
        "localhost@evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/api/search"),
        ("GET", "/healthz"),
        ("POST", "/send"),
        ("GET", "/static/style.css"),
    ],
)
def test_another_name_is_refused(client, method, path, host):
    client.ask(method, path, host=host)
    assert client.status == 400
    assert b"--public-host" in client.body
    assert "content-security-policy" in client.headers


def test_a_public_name(served):
    app = served(hosts=frozenset({"search.example.org"}))
    assert Client(app).ask("GET", "/", host="Search.Example.org:8443").status == 200
    assert Client(app).ask("GET", "/", host="localhost").status == 400


@pytest.mark.parametrize(
    "path", sorted({path for method, path in RULES if method == "POST"} | {"/ask"})
)
@pytest.mark.parametrize(
    "headers",
    [
        [("origin", "null")],
        [("origin", "https://evil.example")],
        [("origin", "http://localhost:81")],
        [("origin", "http://localhost"), ("origin", "null")],
        [("origin", "ftp://localhost")],
        [("sec-fetch-site", "same-site")],
        [("sec-fetch-site", "cross-site")],
    ],
)
def test_what_another_site_sends(client, tmp_path, path, headers):
    client.ask("POST", path, headers=[*headers, ("content-length", "2")], chunks=[b"{}"])
    assert client.status == 403
    assert not list(waiting(str(tmp_path / "queue")))


def test_errors_have_the_headers_of_the_page(served, monkeypatch):
    from pairsieve.search.find import Search

    monkeypatch.setattr(Search, "by_words", lambda *_: {}["x"])
    client = Client(served())
    with pytest.raises(KeyError):
        client.ask("GET", "/")
    assert client.status == 500
    assert client.headers["content-security-policy"].startswith("default-src 'none'")


def test_every_language_says_everything():
    names = [set(texts_for(language, "").texts) for language in LANGUAGES]
    assert all(found == names[0] for found in names)
    assert {"queue_full", "busy", "unknown_host", "unreadable"} <= names[0]


def test_the_description_names_the_body(client):
    schema = json.loads(client.ask("GET", "/openapi.json").body)
    body = schema["paths"]["/api/requests"]["post"]["requestBody"]
    assert body["content"]["application/json"]["schema"] == SubmittedRequests.model_json_schema()

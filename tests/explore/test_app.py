"""The page and its JSON, without a browser."""

from __future__ import annotations

import html
import io
import json
import logging
import re
import time

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis.checks import not_a_server_error
from starlette.testclient import TestClient

from pairsieve.erasure.queue import Quota, ask, decide, waiting
from pairsieve.explore.limits import RateLimits
from pairsieve.explore.texts import LANGUAGES, texts_for
from pairsieve.search.find import Search

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def client(served):
    return TestClient(served(), raise_server_exceptions=False)


@pytest.fixture
def queue(tmp_path):
    return str(tmp_path / "queue")


def token_of(page: str) -> str:
    return re.search(r'name="token" value="([^"]+)"', page)[1]


def cards(page: str) -> int:
    return page.count('<li class="card">')


def test_words(client):
    page = client.get("/", params={"q": "cat"}).text
    assert cards(page) == 2
    assert "2 found" in page


def test_hostile_rows_are_text(client):
    page = client.get("/", params={"q": "script", "pics": "1"}).text
    assert cards(page) == 1
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<img src=x" not in page
    assert not re.findall(r'(?:href|src)="javascript:', page)
    assert "<b>hostile" not in page
    assert "\u202e" not in client.get("/", params={"q": "cat"}).text


def test_a_hostile_query_is_text(client):
    page = client.get(
        "/", params={"q": '"><script>alert(9)</script>', "domain": '"><script>', "lang": "xx"}
    ).text
    assert "<script>alert" not in page


def test_nothing_comes_from_other_hosts_unless_it_is_asked_for(client):
    answer = client.get("/", params={"q": "cat"})
    assert "<img" not in answer.text
    assert "img-src 'self';" in answer.headers["content-security-policy"]
    assert not re.findall(r'(?:src|href)="https?://(?![abc]\.example)', answer.text)
    shown = client.get("/", params={"q": "cat", "pics": "1"})
    assert shown.text.count("<img") == 2
    assert shown.text.count('<details class="behind">') == 1, "a face stays behind a second click"
    unjudged = client.get("/", params={"q": "bird", "pics": "1"})
    assert unjudged.text.count('<details class="behind">') == unjudged.text.count("<img") > 0
    assert 'referrerpolicy="no-referrer"' in shown.text


def test_every_answer_has_its_headers_and_no_cookie(client):
    for path in (
        "/",
        "/receipt?receipt=x",
        "/nowhere",
        "/api/search",
        "/healthz",
        "/static/style.css",
    ):
        answer = client.get(path)
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "set-cookie" not in answer.headers


def test_an_address_in_the_field_for_words(client):
    assert cards(client.get("/", params={"q": "https://a.example/cat.jpg"}).text) == 1
    assert cards(client.get("/", params={"q": "https://a.example/page"}).text) == 1


def test_pages_and_facets(client):
    page = client.get("/", params={"q": "bird"}).text
    assert cards(page) == 24
    assert "1 / 3" in page
    assert cards(client.get("/", params={"q": "bird", "p": "3"}).text) == 12
    assert cards(client.get("/", params={"domain": "b.example"}).text) == 2
    assert cards(client.get("/", params={"mark": "medical"}).text) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_languages(client, language):
    page = client.get("/", headers={"accept-language": f"xx, {language}-XX;q=0.9"})
    assert f'<html lang="{language}">' in page.text
    assert texts_for(language, "")("title") in page.text
    assert page.headers["content-language"] == language


def ask_for(client, queue, **fields):
    page = client.get("/", params={"q": "mat"}).text
    picture = re.search(r'name="picture" value="([^"]+)"', page)[1].replace("&#34;", '"')
    form = client.post(
        "/ask", data={"picture": picture, "page": "https://a.example/page", "domain": "a.example"}
    ).text
    sent = client.post("/send", data={"token": token_of(form), "picture": picture, **fields})
    assert sent.status_code == 200, sent.text
    return re.search(r'id="number">([^<]+)<', sent.text)[1]


@pytest.mark.parametrize(
    ("fields", "requests"),
    [
        ({"what": "picture"}, [{"image_url": "https://a.example/cat.jpg"}, {"sha256": "a" * 64}]),
        (
            {"what": "page", "page": "https://a.example/page"},
            [{"page_url": "https://a.example/page", "copies": True}],
        ),
        ({"what": "domain", "domain": "a.example"}, [{"domain": "a.example", "copies": True}]),
    ],
)
def test_asking_to_be_taken_out(client, queue, fields, requests):
    receipt = ask_for(client, queue, **fields)
    (one,) = waiting(queue)
    assert (one.receipt, one.state, list(one.requests)) == (receipt, "received", requests)
    assert "waits to be looked at" in client.get("/receipt", params={"receipt": receipt}).text
    decide(queue, receipt, "applied", 2)
    assert "applied in version 2" in client.get("/receipt", params={"receipt": receipt}).text
    assert client.get(f"/api/requests/{receipt}").json() == {
        "state": "applied",
        "version": 2,
        "reason": "",
    }


def test_an_address_for_the_answer_is_kept_apart(client, queue, tmp_path):
    receipt = ask_for(client, queue, what="picture", contact="anna@mail.example")
    holding = [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and "anna@mail.example" in path.read_text()
    ]
    assert holding == [tmp_path / "queue" / "contacts" / f"{receipt}.json"]
    assert holding[0].stat().st_mode & 0o077 == 0


def test_forms_of_other_sites_are_refused(client, queue):
    token = token_of(client.post("/ask", data={"picture": "{}"}).text)
    fields = {"what": "domain", "domain": "a.example"}
    assert client.post("/send", data=fields).status_code == 403
    assert client.post("/send", data={**fields, "token": token[:-2]}).status_code == 403
    assert (
        client.post(
            "/send", data={**fields, "token": token}, headers={"origin": "https://evil.example"}
        ).status_code
        == 403
    )
    assert (
        client.post(
            "/send", data={**fields, "token": token}, headers={"sec-fetch-site": "cross-site"}
        ).status_code
        == 403
    )
    assert list(waiting(queue)) == []
    assert (
        client.post(
            "/send", data={**fields, "token": token}, headers={"origin": "http://testserver"}
        ).status_code
        == 200
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"what": "picture"},
        {"what": "picture", "picture": "no json"},
        {"what": "picture", "picture": "[1]"},
        {"what": "picture", "picture": '{"sha256": "short"}'},
        {"what": "domain", "domain": "example"},
        {"what": "page", "page": "javascript:alert(1)"},
        {"what": "domain", "domain": "a.example", "contact": "x" * 201},
    ],
)
def test_malformed_requests(client, queue, fields):
    token = token_of(client.post("/ask", data={"picture": "{}"}).text)
    assert client.post("/send", data={**fields, "token": token}).status_code == 400
    assert list(waiting(queue)) == []


def upload(client, content, lang="en"):
    token = token_of(client.get("/").text)
    return client.post(
        f"/picture?lang={lang}",
        data={"token": token},
        files={"picture": ("a.png", content, "image/png")},
    )


def png(size=(64, 64)) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(size, 80).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_picture(client):
    answer = upload(client, png())
    assert answer.status_code == 200
    assert "Take out this picture wherever it is" in answer.text


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", 400, "empty"),
        (b"no picture", 400, "undecodable"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 400, "undecodable"),
        (b"\xff" * 20_300_000, 413, "larger than 20 MB"),
    ],
)
def test_what_is_no_picture(client, content, status, reason):
    answer = upload(client, content)
    assert (answer.status_code, reason in answer.text) == (status, True)


def test_a_bomb_of_pixels(client):
    buffer = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(buffer, "PNG")
    assert "too_many_pixels" in upload(client, buffer.getvalue()).text


def test_an_example_is_stored_nowhere(client, tmp_path, monkeypatch):
    content = png((300, 300))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert upload(client, content).status_code == 200
    assert not [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and content[100:200] in path.read_bytes()
    ]


def test_limits(served):
    client = TestClient(served(limits=RateLimits("3/hour", "1/hour", "1/hour")))
    assert [client.get("/api/search").status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    assert "Too many requests" in client.get("/").text


def test_a_slow_query(served, monkeypatch):
    def slow(*arguments):
        time.sleep(0.5)

    monkeypatch.setattr(Search, "by_words", slow)
    answer = TestClient(served(limit_s=0.05)).get("/", params={"q": "cat"})
    assert (answer.status_code, "took too long" in answer.text) == (503, True)


def test_an_error_shows_and_logs_nothing_of_the_query(client, monkeypatch, caplog):
    def broken(*arguments):
        raise RuntimeError("secret words")

    caplog.set_level(logging.INFO, "pairsieve.explore")
    monkeypatch.setattr(Search, "by_words", broken)
    answer = client.get("/", params={"q": "secret words"})
    assert (answer.status_code, "Something went wrong" in answer.text) == (500, True)
    ours = "\n".join(
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("pairsieve.explore")
    )
    assert "RuntimeError" in ours
    assert "secret" not in answer.text + ours


def test_the_log_holds_no_query_and_no_receipt(client, caplog):
    caplog.set_level(logging.INFO, "pairsieve.explore")
    client.get("/", params={"q": "my name"})
    client.get("/api/requests/abcdefgh12345678")
    ours = "\n".join(
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("pairsieve.explore")
    )
    assert re.search(r"GET / 200 \d+ ms", ours)
    assert "my name" not in ours
    assert "abcdefgh" not in ours


def test_an_index_that_is_not_of_this_version_is_not_searched(served, dataset, tmp_path):
    import shutil

    shutil.copytree(dataset, tmp_path / "out")
    manifest = json.loads((dataset / "manifest.json").read_text())
    (tmp_path / "out" / "manifest.json").write_text(json.dumps({**manifest, "version": 2}))
    client = TestClient(served(dataset=str(tmp_path / "out")))
    assert client.get("/healthz").status_code == 503
    assert "being brought up to date" in client.get("/", params={"q": "cat"}).text


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(words=st.text(max_size=100), page=st.text(max_size=5), domain=st.text(max_size=20))
def test_any_query_is_answered(client, words, page, domain):
    answer = client.get("/", params={"q": words, "p": page, "domain": domain, "sort": words})
    assert answer.status_code == 200


def test_the_api_keeps_to_its_description(served):
    app = served()
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)

    for operation in schema.get_all_operations():
        found = operation.ok()

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=found.as_strategy())
        def run(case):
            case.call_and_validate(checks=[not_a_server_error])

        run()


def test_the_server_logs_no_trace(caplog):
    from pipeline.commands.explore import without_traces

    assert without_traces(
        logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "port in use", None, None)
    )
    try:
        raise RuntimeError("secret words")
    except RuntimeError as error:
        trace = (RuntimeError, error, error.__traceback__)
    assert not without_traces(
        logging.LogRecord(
            "uvicorn.error", logging.ERROR, "", 0, "Exception in ASGI application", None, trace
        )
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_full_queue(served, queue, language):
    client = TestClient(served(quota=Quota(max_entries=1)))
    assert (
        client.post("/api/requests", json={"requests": [{"domain": "a.example"}]}).status_code
        == 201
    )
    assert (
        client.post("/api/requests", json={"requests": [{"domain": "a.example"}]}).status_code
        == 503
    )
    token = token_of(client.post("/ask", data={"picture": "{}"}).text)
    answer = client.post(
        f"/send?lang={language}", data={"token": token, "what": "domain", "domain": "a.example"}
    )
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)
    assert (
        html.escape(texts_for(language, "")("queue_full"), quote=True).replace("&#x27;", "&#39;")
        in answer.text
    )
    assert len(list(waiting(queue))) == 1


def test_a_damaged_request_is_said_to_be_so(client, queue, tmp_path):
    receipt = ask(queue, [{"domain": "a.example"}])
    (tmp_path / "queue" / "requests" / f"{receipt}.json").write_text("{")
    answer = client.get("/receipt", params={"receipt": receipt})
    assert (answer.status_code, "cannot be read at this moment" in answer.text) == (503, True)
    assert client.get(f"/api/requests/{receipt}").status_code == 503
    assert (
        client.post("/api/requests", json={"requests": [{"domain": "a.example"}]}).status_code
        == 201
    )


def test_nothing_turns_the_page_around(client, queue):
    receipt = ask(queue, [{"domain": "a.example"}])
    decide(queue, receipt, "refused", reason="because \u202eof \u2066it")
    said = client.get("/receipt", params={"receipt": receipt}).text
    form = client.post(
        "/ask",
        data={"picture": "{}", "page": "https://a.example/\u202egpj", "domain": "a\u202e.example"},
    ).text
    assert "\u202e" not in said + re.sub(r'<input type="hidden"[^>]*>', "", form)
    assert "gpj" in form


@pytest.mark.parametrize(
    "picture",
    [
        "[" * 10_000,
        '{"sha256": ["' + "a" * 64 + '"]}',
        '{"sha256": 1' + "0" * 5_000 + "}",
        "\ud800",
    ],
)
def test_hostile_fields_of_a_form(client, queue, picture):
    token = token_of(client.post("/ask", data={"picture": "{}"}).text)
    body = {"token": token, "what": "picture", "picture": picture.encode("utf-8", "surrogatepass")}
    assert client.post("/send", data=body).status_code == 400
    assert list(waiting(queue)) == []


@pytest.mark.parametrize("words", ["*", '"', "!!!", "\u200d"])
def test_a_query_without_words_finds_nothing_and_says_why(client, words):
    page = client.get("/", params={"q": words}).text
    assert "0 found" in page
    assert texts_for("en", "")("no_words") in html.unescape(page)
    answer = client.get("/api/search", params={"words": words}).json()
    assert (answer["total"], answer["reason"]) == (0, "no_words")
    assert client.get("/api/search", params={"words": "cat"}).json()["reason"] == ""


def test_several_results_are_chosen_and_asked_for_together(client, queue):
    page = client.get("/", params={"q": "cat"}).text
    assert 'id="picked"' in page
    chosen = re.findall(r'type="checkbox" name="picture" value="([^"]+)" form="picked"', page)
    assert len(chosen) == 2
    form = client.post("/ask", data={"picture": [html.unescape(value) for value in chosen]}).text
    fields = re.findall(r'name="picture" value="([^"]+)"', form)
    sent = client.post(
        "/send",
        data={
            "token": token_of(form),
            "what": "picture",
            "picture": [html.unescape(value) for value in fields],
        },
    )
    (one,) = waiting(queue)
    assert one.receipt in sent.text
    hashes = {request["sha256"] for request in one.requests if "sha256" in request}
    assert hashes == {"a" * 64, "c" * 64}
    assert client.post("/ask").status_code == 400, "nothing was chosen"


def test_filters_are_in_sight(client):
    page = client.get("/", params={"q": "bird"}).text
    assert '<details class="facets" open>' in page

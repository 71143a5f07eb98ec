"""/admin: who reaches it, what it shows, and that its decisions are those of the verb."""

from __future__ import annotations

import html
import logging
import re
import stat
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from pairsieve.erasure.decisions import PictureCopy, RowCount, RowCounts
from pairsieve.erasure.queue import ask, contact_of, decide, look_up
from pairsieve.explore import publisher as publisher_module
from pairsieve.explore.publisher import COOKIE, PER_PAGE
from pairsieve.explore.settings import Publisher
from pipeline.commands.explore import main as explore
from pipeline.commands.requests import main as requests
from pipeline.dataset.found_rows import count_rows
from tests.explore.conftest import HOSTILE

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
KEY = "k" * 64
LOCAL = ("127.0.0.1", 50_000)
POSTS = ["/admin/copies", "/admin/approve", "/admin/refuse", "/admin/logout"]


@pytest.fixture
def queue(tmp_path):
    return str(tmp_path / "queue")


@pytest.fixture
def app(served, dataset):
    def make(max_rows=1_000, hosts=frozenset(), count=None, find_copies=None):
        count = count or partial(count_rows, str(dataset))
        return served(Publisher(KEY, count, max_rows, hosts, find_copies))

    return make


def browser(app, host="127.0.0.1", client=LOCAL, **headers) -> TestClient:
    return TestClient(
        app,
        base_url=f"http://{host}",
        client=client,
        headers=headers,
        raise_server_exceptions=False,
    )


def opened(app, **given) -> TestClient:
    client = browser(app, **given)
    assert client.post("/admin/login", data={"key": KEY}).status_code == 200
    return client


def token_of(page: str) -> str:
    return re.search(r'name="token" value="([^"]+)"', page)[1]


def send(client, what, **fields):
    token = token_of(client.get("/admin").text)
    return client.post(f"/admin/{what}", data={"token": token, **fields})


def said(answer) -> str:
    return html.unescape(re.search(r'role="status" class="said">([^<]*)<', answer.text)[1])


def test_without_a_publisher_there_is_nothing(served):
    client = browser(served())
    assert client.get("/admin").status_code == 404
    assert client.post("/admin/login", data={"key": KEY}).status_code == 404


REMOTE = [
    # (host, client, headers)
    ("127.0.0.1", ("192.0.2.7", 1), {}),
    ("localhost", ("192.0.2.7", 1), {}),
    ("testserver", LOCAL, {}),  # a public name: what a proxy passes on
    ("127.0.0.1", LOCAL, {"x-forwarded-for": "192.0.2.7"}),
    ("127.0.0.1", LOCAL, {"x-forwarded-for": "127.0.0.1"}),
    ("127.0.0.1", LOCAL, {"forwarded": "for=192.0.2.7"}),
    ("127.0.0.1", LOCAL, {"x-real-ip": "192.0.2.7"}),
    ("127.0.0.1", LOCAL, {"via": "1.1 proxy"}),
    ("127.0.0.1", ("unknown", 1), {}),
]


@pytest.mark.parametrize(("host", "client", "headers"), REMOTE)
def test_others_do_not_reach_it(app, host, client, headers):
    remote = browser(app(), host, client, **headers)
    nowhere = remote.get("/nowhere")
    answer = remote.get("/admin")
    assert (answer.status_code, answer.text) == (nowhere.status_code, nowhere.text)
    for path in ["/admin/login", *POSTS]:
        answer = remote.post(path, data={"key": KEY})
        assert (answer.status_code, answer.text) == (nowhere.status_code, nowhere.text)
        assert "set-cookie" not in answer.headers


def test_not_even_with_a_session(app):
    client = opened(app())
    assert client.get("/admin", headers={"x-forwarded-for": "192.0.2.7"}).status_code == 404


def test_a_foreign_name_is_refused_before(app):
    """DNS rebinding: a page of evil.example that resolves to 127.0.0.1."""
    assert browser(app(), "evil.example").get("/admin").status_code == 400


def test_behind_a_proxy_under_the_name_that_was_given(app):
    app = app(hosts=frozenset({"admin.example"}))
    proxied = {"host": "admin.example", "client": ("192.0.2.7", 1)}
    client = browser(app, **proxied, **{"x-forwarded-for": "192.0.2.7"})
    page = client.get("/admin")
    assert page.status_code == 200
    assert 'name="key"' in page.text, "the key is asked for there too"
    let_in = client.post("/admin/login", data={"key": KEY}, follow_redirects=False)
    assert "Secure" in let_in.headers["set-cookie"], "a proxy to the world speaks TLS"
    assert (
        browser(app, "testserver", **{"x-forwarded-for": "1.2.3.4"}).get("/admin").status_code
        == 404
    )


def test_the_key(app, queue):
    ask(queue, [{"domain": "a.example"}], "anna@mail.example")
    client = browser(app())
    closed = client.get("/admin").text
    assert "anna@" not in closed
    assert "a.example" not in closed
    for key in ("", "x", KEY[:-1], KEY + "k", "\u00e4" * 64):
        answer = client.post("/admin/login", data={"key": key})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
    let_in = client.post("/admin/login", data={"key": KEY}, follow_redirects=False)
    cookie = let_in.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/admin"))
    assert KEY not in cookie
    assert "anna@mail.example" in client.get("/admin").text
    answer = client.post("/admin/logout", data={"token": token_of(client.get("/admin").text)})
    assert "anna@" not in answer.text
    assert 'name="key"' in answer.text


def test_no_session_and_no_token_of_the_search_page_is_good(app, queue):
    receipt = ask(queue, [{"domain": "a.example"}])
    client = browser(app())
    public_token = token_of(client.get("/").text)
    forged = {"token": public_token, "receipt": receipt, "reason": "x"}
    for path in POSTS:
        assert client.post(path, data=forged).status_code == 403
    client.cookies.set(COOKIE, public_token, path="/admin")
    assert 'name="key"' in client.get("/admin").text
    client = opened(app())
    for path in POSTS:
        assert client.post(path, data=forged).status_code == 403, "a session without its token"
    stolen = {**forged, "token": token_of(client.get("/admin").text)}
    for path in POSTS:
        assert browser(app()).post(path, data=stolen).status_code == 403, (
            "a token without a session"
        )
    assert look_up(queue, receipt).state == "received"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_forms_of_other_sites(app, queue, headers):
    receipt = ask(queue, [{"domain": "a.example"}])
    client = opened(app())
    fields = {"token": token_of(client.get("/admin").text), "receipt": receipt, "reason": "x"}
    for path in POSTS:
        assert client.post(path, data=fields, headers=headers).status_code == 403
    assert client.post("/admin/login", data={"key": KEY}, headers=headers).status_code == 403
    assert look_up(queue, receipt).state == "received"
    for path in POSTS:
        assert client.get(path).status_code == 405, "nothing is decided by a link"


def test_what_it_shows(app, queue):
    receipt = ask(queue, [{"domain": "c.example"}, {"sha256": "a" * 64}], "anna@mail.example")
    approved = ask(queue, [{"domain": "b.example"}])
    decide(queue, approved, "approved")
    for state in ("refused", "applied"):
        decide(queue, ask(queue, [{"domain": f"{state}.example"}]), state)
    page = opened(app()).get("/admin").text
    assert "1 to decide on, 1 approved and not applied" in page
    assert "Takes out 61 row(s) of 1 shard(s)" in page
    assert "Takes out 2 row(s) of 1 shard(s)" in page
    assert "domain: " in page
    assert "Answer to: <bdi>anna@mail.example</bdi>" in page
    assert f"answer by {look_up(queue, receipt).answer_by}" in page
    assert "refused.example" not in page
    assert "applied.example" not in page
    assert "pairsieve requests apply --dataset" in page
    assert page.count("/admin/approve") == 1, "what was approved is not approved again"


@pytest.mark.parametrize(
    ("age_days", "shown"),
    [(0, r"(27|28|29|30|31) day\(s\) left"), (40, r"(9|1[0-2]) day\(s\) late")],
)
def test_the_months_deadline_is_in_sight(app, queue, monkeypatch, age_days, shown):
    receipt = ask(queue, [{"domain": "a.example"}])
    path = Path(queue) / "requests" / f"{receipt}.json"
    received = datetime.now(UTC) - timedelta(days=age_days)
    path.write_text(
        re.sub(r'"received": "[^"]*"', f'"received": "{received.isoformat()}"', path.read_text())
    )
    page = opened(app()).get("/admin").text
    assert re.search(shown, page)
    assert ("should have been answered" in page) == (age_days == 40)


def test_approve_and_apply(app, queue, dataset):
    receipt = ask(queue, [{"domain": "b.example"}], "anna@mail.example")
    answer = send(opened(app()), "approve", receipt=receipt)
    assert said(answer) == f"{receipt} was approved. It takes out 2 row(s) of 1 shard(s)."
    assert look_up(queue, receipt).state == "approved"
    assert contact_of(queue, receipt) == "anna@mail.example", "kept until it is applied"


def test_too_many_rows_as_the_verb_says(app, queue, dataset, capsys):
    first = ask(queue, [{"domain": "b.example"}])
    second = ask(queue, [{"domain": "c.example"}])
    client = opened(app(max_rows=61))
    assert "was approved" in said(send(client, "approve", receipt=first))
    by_page = said(send(client, "approve", receipt=second))
    command = ["approve", second, "--dataset", str(dataset), "--queue", queue]
    assert requests([*command, "--most-rows", "61"]) == 2
    by_verb = capsys.readouterr().err.removeprefix("pairsieve: ").strip()
    assert by_page == f"Not approved: {by_verb}."
    assert "62 row(s)" in by_page
    assert look_up(queue, second).state == "received"


def test_refuse_with_a_reason_and_the_address_once_more(app, queue):
    receipt = ask(queue, [{"domain": "b.example"}], "anna@mail.example")
    client = opened(app())
    assert "Say why" in said(send(client, "refuse", receipt=receipt, reason="  "))
    assert look_up(queue, receipt).state == "received"
    answer = send(client, "refuse", receipt=receipt, reason="shows somebody else")
    assert "Answer to anna@mail.example" in said(answer)
    refused = look_up(queue, receipt)
    assert (refused.state, refused.reason) == ("refused", "shows somebody else")
    assert contact_of(queue, receipt) == ""
    assert "anna@" not in client.get("/admin").text
    assert "shows somebody else" in client.get("/receipt", params={"receipt": receipt}).text


@pytest.mark.parametrize("receipt", ["", "nosuch", "../requests/x", "a" * 32])
def test_receipts_that_are_none(app, queue, receipt):
    client = opened(app())
    assert "no request has this receipt" in said(send(client, "approve", receipt=receipt))
    assert "no request has this receipt" in said(
        send(client, "refuse", receipt=receipt, reason="x")
    )


def test_what_was_applied_stays(app, queue):
    receipt = ask(queue, [{"domain": "b.example"}])
    decide(queue, receipt, "applied", 2)
    client = opened(app())
    assert "applied" in said(send(client, "approve", receipt=receipt))
    assert "applied" in said(send(client, "refuse", receipt=receipt, reason="x"))
    assert look_up(queue, receipt).state == "applied"


def test_what_strangers_wrote_is_text(app, queue):
    ask(queue, [{"prefix": f"a.example/{HOSTILE}\u202egpj"}], f"{HOSTILE}\u202e@mail.example")
    page = opened(app()).get("/admin").text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page


def test_a_damaged_request_is_named_and_the_others_are_shown(app, queue):
    receipt, broken = ask(queue, [{"domain": "b.example"}]), ask(queue, [{"domain": "a.example"}])
    (Path(queue) / "requests" / f"{broken}.json").write_text("{")
    page = opened(app()).get("/admin").text
    assert broken in page
    assert "restore it from a backup" in page
    assert f'id="r-{receipt}"' in page


def test_many_requests_have_pages(app, queue):
    for number in range(PER_PAGE + 1):
        ask(queue, [{"domain": f"d{number}.example"}] * 25)
    client = opened(app())
    first, second = (client.get("/admin", params={"p": page}).text for page in ("1", "2"))
    assert (first.count('id="r-'), second.count('id="r-')) == (PER_PAGE, 1)
    assert "and 20 more" in second
    for page in ("0", "-1", "99999", "9" * 50, "x", "²"):
        assert client.get("/admin", params={"p": page}).status_code == 200


def test_a_large_dataset_is_counted_while_the_page_is_shown(app, queue, dataset, monkeypatch):
    monkeypatch.setattr(publisher_module, "COUNT_S", 0.2)
    may_count, readings = threading.Event(), []

    def slow(groups):
        readings.append(len(groups))
        may_count.wait(60)
        return count_rows(str(dataset), groups)

    ask(queue, [{"domain": "b.example"}])
    ask(queue, [{"domain": "c.example"}])
    client = opened(app(count=slow))
    assert client.get("/admin").text.count("are being counted") == 2
    may_count.set()
    monkeypatch.setattr(publisher_module, "COUNT_S", 60.0)
    page = client.get("/admin").text
    assert "Takes out 2 row(s)" in page
    assert set(readings) == {2}, "one reading for all"
    before = len(readings)
    client.get("/admin")
    assert len(readings) == before, "what is known is not counted again"


def test_the_log_has_no_receipt_and_no_address(app, queue, caplog):
    receipt = ask(queue, [{"domain": "b.example"}], "anna@mail.example")
    with caplog.at_level(logging.DEBUG):
        client = opened(app())
        send(client, "approve", receipt=receipt)
        send(client, "refuse", receipt=receipt, reason="a reason")
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("pairs")]
    assert messages
    assert not re.search(f"{receipt}|anna|a reason|{KEY}", "\n".join(messages))


def test_the_search_page_does_not_speak_of_it(app, queue):
    ask(queue, [{"domain": "b.example"}], "anna@mail.example")
    client = opened(app())
    for path in ("/", "/?q=cat", "/openapi.json", "/api/search"):
        assert "admin" not in client.get(path).text
    assert "set-cookie" not in client.get("/").headers


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--admin-host", "admin.example"], "--admin and"),
        (["--admin", "--admin-host", "admin.example"], "--behind-proxy"),
        (
            [
                *("--admin", "--behind-proxy", "--admin-host", "a.example"),
                *("--host", "0.0.0.0", "--public-host", "b.example"),
            ],
            "listen on 127.0.0.1",
        ),
        (
            [
                "--admin",
                "--behind-proxy",
                "--admin-host",
                "A.example.",
                "--public-host",
                "a.example",
            ],
            "both",
        ),
    ],
)
def test_a_proxy_that_does_not_ask_who_it_is(dataset, capsys, options, said):
    assert explore(["--dataset", str(dataset), *options]) == 2
    assert said in capsys.readouterr().err


def test_the_command_makes_a_private_key(dataset, tmp_path, capsys, monkeypatch):
    made = []
    monkeypatch.setattr("pipeline.commands.explore._serve", lambda *given: made.append(given[3]))
    command = ["--dataset", str(dataset), "--queue", str(tmp_path / "asked")]
    assert explore(command) == 0
    assert made == [None], "without --admin there is no /admin"
    assert explore([*command, "--admin", "--most-rows", "7"]) == 0
    path = tmp_path / "asked" / "admin.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made[1].key == path.read_text().strip()
    assert made[1].max_rows == 7
    assert made[1].key not in capsys.readouterr().err + repr(made[1])
    assert explore([*command, "--admin"]) == 0
    assert made[2].key == made[1].key, "browsers keep their key"
    path.write_text("short")
    assert explore([*command, "--admin"]) == 2


def test_while_the_dataset_is_changed(app, queue, tmp_path):
    from pipeline.commands.explore import _count_rows

    receipt = ask(queue, [{"domain": "b.example"}])
    client = opened(app(count=partial(_count_rows, str(tmp_path / "gone"))))
    assert "are being counted" in client.get("/admin").text
    answer = send(client, "approve", receipt=receipt)
    assert answer.status_code == 503
    assert look_up(queue, receipt).state == "received"


OTHERS = (
    PictureCopy(f"{1:032x}", "https://x.example/same.jpg"),
    PictureCopy(f"{2:032x}", "javascript:alert(5)//<b>"),
)


def test_copies_are_shown_before_an_approval_and_go_by_choice(app, queue):
    asked = []

    def find_copies(requests):
        asked.extend(requests)
        return OTHERS

    receipt = ask(queue, [{"image_url": "https://a.example/cat.jpg"}])
    client = opened(app(find_copies=find_copies))
    page = send(client, "copies", receipt=receipt)
    assert [one.values for one in asked] == [("https://a.example/cat.jpg",)]
    assert all(f'value="{copy.key}"' in page.text for copy in OTHERS)
    assert "https://x.example/same.jpg" in page.text
    assert "<b>" not in page.text.partition("<main>")[2]
    assert 'href="javascript' not in page.text
    assert "checked" not in page.text, "somebody has to look at each"
    assert look_up(queue, receipt).state == "received", "nothing is decided yet"

    fields = {"token": token_of(page.text), "receipt": receipt, "copy": OTHERS[0].key}
    answer = client.post("/admin/approve", data=fields)
    assert "1 of them copies that were chosen" in said(answer)
    approved = look_up(queue, receipt)
    assert approved.state == "approved"
    assert approved.requests == [
        {"image_url": "https://a.example/cat.jpg"},
        {"key": OTHERS[0].key},
    ]


def test_without_a_choice_the_request_stays_as_it_was(app, queue):
    receipt = ask(queue, [{"domain": "c.example"}])
    client = opened(app(find_copies=lambda requests: []))
    assert "No other row shows these pictures" in send(client, "copies", receipt=receipt).text
    send(client, "approve", receipt=receipt)
    assert look_up(queue, receipt).requests == [{"domain": "c.example"}]
    assert look_up(queue, receipt).state == "approved"


@pytest.mark.parametrize("key", ["", "x", "a" * 31, "../" * 10, "g" * 32])
def test_a_copy_that_is_no_key_approves_nothing(app, queue, key):
    receipt = ask(queue, [{"domain": "c.example"}])
    client = opened(app(find_copies=lambda requests: OTHERS))
    assert "Not approved" in said(send(client, "approve", receipt=receipt, copy=key))
    assert look_up(queue, receipt).state == "received"


def test_copies_count_towards_the_rows_that_were_agreed_to(app, queue):
    rows = []

    def count(groups):
        rows.extend([[request.kind for request in group] for group in groups])
        counts = [RowCount(len(group), 1) for group in groups]
        return RowCounts(counts, RowCount(sum(len(group) for group in groups), 1))

    receipt = ask(queue, [{"sha256": "a" * 64}])
    client = opened(app(max_rows=2, count=count, find_copies=lambda requests: OTHERS))
    both = [copy.key for copy in OTHERS]
    assert "more than 2" in said(send(client, "approve", receipt=receipt, copy=both))
    assert ["sha256", "key", "key"] in rows
    assert look_up(queue, receipt).state == "received"
    assert len(look_up(queue, receipt).requests) == 1


def test_many_copies_are_cut_and_counted(app, queue):
    many = [PictureCopy(f"{n:032x}", f"https://{n}.example/") for n in range(250)]
    receipt = ask(queue, [{"sha256": "a" * 64}])
    page = send(opened(app(find_copies=lambda requests: many)), "copies", receipt=receipt).text
    assert page.count('name="copy"') == 200
    assert "50 more are not listed" in page


def test_without_a_way_to_find_copies_there_is_no_such_page(app, queue):
    receipt = ask(queue, [{"sha256": "a" * 64}])
    client = opened(app())
    assert send(client, "copies", receipt=receipt).status_code == 404
    assert "Look for copies" not in client.get("/admin").text

from __future__ import annotations

import json
import os
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pairsieve.erasure import queue as queue_module
from pairsieve.erasure.queue import (
    ABANDONED_S,
    COUNTED_FOR_S,
    FULL_FOR_S,
    BoundedQueue,
    NoSuchRequest,
    QueuedRequest,
    QueueFull,
    Quota,
    UnreadableRequest,
    ask,
    contact_of,
    decide,
    forget_contacts,
    look_up,
    unreadable,
    waiting,
)
from pairsieve.erasure.requests import parse_request

DOMAIN = [{"domain": "a.example"}]


def test_what_is_asked_waits(tmp_path):
    queue = str(tmp_path)
    first = ask(queue, [{"image_url": "https://a.example/1.jpg"}, {"sha256": "a" * 64}])
    second = ask(queue, [{"domain": "a.example"}], "anna@mail.example")
    assert [one.receipt for one in waiting(queue)] in ([first, second], [second, first])
    assert [parse_request(line).receipt for line in look_up(queue, first).lines] == [first, first]
    assert (contact_of(queue, first), contact_of(queue, second)) == ("", "anna@mail.example")
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.rglob("*.json"))
    assert "anna" not in (tmp_path / "requests" / f"{second}.json").read_text()


def test_states(tmp_path):
    queue = str(tmp_path)
    receipt = ask(queue, [{"domain": "a.example"}])
    assert decide(queue, receipt, "approved").state == "approved"
    assert [one.receipt for one in waiting(queue, "approved")] == [receipt]
    decide(queue, receipt, "applied", 3)
    with pytest.raises(NoSuchRequest, match="applied in version 3"):
        decide(queue, receipt, "refused")
    assert json.loads((tmp_path / "requests" / f"{receipt}.json").read_text())["version"] == 3


@pytest.mark.parametrize(
    "requests",
    [
        [],
        [{"domain": "a.example"}] * 401,
        [{"name": "Anna"}],
        [{"image": "/etc/passwd"}],
        [{"domain": "example"}],
        [{"sha256": "short"}],
    ],
)
def test_malformed(tmp_path, requests):
    with pytest.raises(ValueError, match=r"."):
        ask(str(tmp_path), requests)
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("receipt", ["", "nosuch", "../../etc/passwd", "a/b", "x" * 300])
def test_no_such_receipt(tmp_path, receipt):
    with pytest.raises(NoSuchRequest):
        look_up(str(tmp_path), receipt)


def path_of(tmp_path, receipt):
    return tmp_path / "requests" / f"{receipt}.json"


def damaged(whole: dict) -> dict[str, bytes]:
    """Contents of a request's file that are not what was written."""
    said = json.dumps(whole).encode()
    return {
        "empty": b"",
        "cut off": said[:-10],
        "zeros": b"\0" * len(said),
        "not UTF-8": b"\xff\xfe" + said,
        "a list": b"[]",
        "deep": b"[" * 100_000,
        "another receipt": json.dumps({**whole, "receipt": "f" * 32}).encode(),
        "no requests": json.dumps({**whole, "requests": []}).encode(),
        "no such kind": json.dumps({**whole, "requests": [{"name": "Anna"}]}).encode(),
        "too long": json.dumps(
            {**whole, "requests": [{"image_url": "https://a.example/" + "x" * 50_000}]}
        ).encode(),
        "no such state": json.dumps({**whole, "state": "perhaps"}).encode(),
        "a number as text": json.dumps({**whole, "version": "1"}).encode(),
        "lacks a field": json.dumps({"receipt": whole["receipt"]}).encode(),
    }


DAMAGES = sorted(damaged({"receipt": "0" * 32}))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_request_holds_up_nothing(tmp_path, damage):
    queue = str(tmp_path)
    broken, whole = ask(queue, DOMAIN, "anna@mail.example"), ask(queue, DOMAIN)
    path = path_of(tmp_path, broken)
    path.write_bytes(damaged(json.loads(path.read_text()))[damage])
    assert [one.receipt for one in waiting(queue)] == [whole]
    (named,) = unreadable(queue)
    assert broken in str(named)
    assert "a.example" not in str(named)
    for use in (look_up, decide):
        with pytest.raises(UnreadableRequest, match=broken):
            use(queue, broken, *(["refused"] if use is decide else []))
    assert decide(queue, whole, "approved").state == "approved"
    assert forget_contacts(queue) == 0, "its file may be brought back"
    BoundedQueue(queue, Quota()).ask(DOMAIN)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_request_that_may_not_be_read(tmp_path):
    receipt = ask(str(tmp_path), DOMAIN)
    path_of(tmp_path, receipt).chmod(0)
    assert len(list(unreadable(str(tmp_path)))) == 1


def test_other_files_in_the_folder_are_no_requests(tmp_path):
    receipt = ask(str(tmp_path), DOMAIN)
    (tmp_path / "requests" / "my notes.json").write_text("x")
    path_of(tmp_path, "d" * 32).mkdir()
    assert [one.receipt for one in waiting(str(tmp_path))] == [receipt]
    assert ["d" * 32 in str(error) for error in unreadable(str(tmp_path))] == [True]


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.binary(max_size=200))
def test_any_content_is_a_request_or_named(tmp_path, content):
    receipt = ask(str(tmp_path), DOMAIN)
    path_of(tmp_path, receipt).write_bytes(content)
    assert any(receipt in str(error) for error in unreadable(str(tmp_path)))
    path_of(tmp_path, receipt).unlink()


@pytest.mark.parametrize(
    ("state", "kept"),
    [("approved", True), ("received", True), ("refused", False), ("applied", False)],
)
def test_a_contact_is_kept_until_the_answer(tmp_path, state, kept):
    receipt = ask(str(tmp_path), DOMAIN, "anna@mail.example")
    decide(str(tmp_path), receipt, state)
    assert contact_of(str(tmp_path), receipt) == ("anna@mail.example" if kept else "")
    assert [path for path in tmp_path.rglob("*.json") if "anna" in path.read_text()] == [
        tmp_path / "contacts" / f"{receipt}.json"
    ] * kept


def test_a_request_that_cannot_be_written_leaves_no_contact(tmp_path, monkeypatch):
    def full(queue, one):
        raise OSError("no space left")

    monkeypatch.setattr(queue_module, "_write", full)
    with pytest.raises(OSError, match="no space"):
        ask(str(tmp_path), DOMAIN, "anna@mail.example")
    assert not list(tmp_path.rglob("*.json"))


def test_what_a_killed_process_left_of_contacts_is_removed(tmp_path):
    queue = str(tmp_path)
    open_one, answered = (
        ask(queue, DOMAIN, "anna@mail.example"),
        ask(queue, DOMAIN, "berta@mail.example"),
    )
    contact = tmp_path / "contacts" / f"{answered}.json"
    said = contact.read_text()
    decide(queue, answered, "refused")
    contact.write_text(said)  # killed before it was removed
    abandoned, new = (tmp_path / "contacts" / f"{name * 32}.json" for name in "ab")
    for path in (abandoned, new):  # killed before the request was written
        path.write_text(said)
    os.utime(abandoned, (time.time() - ABANDONED_S - 60,) * 2)
    assert forget_contacts(queue) == 2
    assert sorted(path.name for path in (tmp_path / "contacts").iterdir()) == sorted(
        [f"{open_one}.json", new.name]
    )


@pytest.mark.parametrize("content", ["", "[]", "{}", "[" * 100_000, '{"contact": "a@b.ex'])
def test_a_damaged_contact_is_none(tmp_path, content):
    receipt = ask(str(tmp_path), DOMAIN, "anna@mail.example")
    (tmp_path / "contacts" / f"{receipt}.json").write_text(content)
    assert contact_of(str(tmp_path), receipt) == ""
    decide(str(tmp_path), receipt, "refused")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_full_queue(tmp_path):
    queue, clock = str(tmp_path), Clock()
    first = ask(queue, DOMAIN)  # before the page was started
    room = BoundedQueue(queue, Quota(max_entries=3), clock)
    room.ask(DOMAIN)
    room.ask(DOMAIN)
    with pytest.raises(QueueFull):
        room.ask(DOMAIN)
    decide(queue, first, "approved")
    clock.now += FULL_FOR_S
    with pytest.raises(QueueFull):
        room.ask(DOMAIN)
    decide(queue, first, "refused")
    clock.now += FULL_FOR_S
    room.ask(DOMAIN)
    assert len(list(tmp_path.rglob("*.json"))) == 4


def test_a_queue_that_is_full_of_bytes(tmp_path):
    room, long = (
        BoundedQueue(str(tmp_path), Quota(max_bytes=10_000), Clock()),
        [{"image_url": "https://a.example/" + "x" * 1_900}],
    )
    for _ in range(5):
        room.ask(long)
    with pytest.raises(QueueFull):
        room.ask(long)
    room.ask(DOMAIN)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.json")) < 12_000


def test_the_folder_is_not_listed_for_each_request(tmp_path, monkeypatch):
    clock, listed = Clock(), []
    count = queue_module._list_files
    monkeypatch.setattr(
        queue_module, "_list_files", lambda queue: listed.append(queue) or count(queue)
    )
    room = BoundedQueue(str(tmp_path), Quota(), clock)
    for _ in range(20):
        room.ask(DOMAIN)
    assert len(listed) == 1
    clock.now += COUNTED_FOR_S
    room.ask(DOMAIN)
    assert len(listed) == 2


@pytest.mark.parametrize(
    "request_",
    [
        {"image_url": "https://a.example/" + "x" * 2_000},
        {"page_url": "https://a.example/" + "x" * 2_000},
        {"image_url": "https://a.example/" + " " * 2_000},
        {"domain": "a." * 130 + "example"},
        {"prefix": "a.example/" + "x" * 2_000},
        {"sha256": "a" * 100_000},
        {"key": " " * 100_000},
    ],
)
def test_no_field_is_longer_than_its_kind_may_be(tmp_path, request_):
    with pytest.raises(ValueError, match=r"letters|must be|not a host"):
        ask(str(tmp_path), [request_])


@pytest.mark.parametrize(
    ("received", "last_day"),
    [
        # The two examples of EDPB Guidelines 01/2022 on the right of access.
        ("2023-03-05T10:00:00+00:00", "2023-04-05"),
        ("2023-08-31T10:00:00+00:00", "2023-09-30"),
        ("2024-01-31T10:00:00+00:00", "2024-02-29"),
        ("2023-01-29T10:00:00+00:00", "2023-02-28"),
        ("2023-12-31T23:59:59+00:00", "2024-01-31"),
        ("2024-01-01T00:30:00+01:00", "2024-01-31"),
    ],
)
def test_a_month_to_answer(received, last_day):
    request = QueuedRequest("r" * 8, received, [{"sha256": "a" * 64}])
    assert str(request.answer_by) == last_day


def test_a_request_without_a_time_is_damaged(tmp_path):
    receipt = ask(str(tmp_path), [{"sha256": "a" * 64}])
    path = tmp_path / "requests" / f"{receipt}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "received": "yesterday"}))
    assert [str(error)[:32] for error in unreadable(str(tmp_path))] == [receipt]

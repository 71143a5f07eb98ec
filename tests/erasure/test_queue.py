from __future__ import annotations

import json

import pytest

from erasure.queue import NoSuchRequest, ask, contact_of, decide, look_up, waiting
from erasure.requests import parse_request


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
    [[], [{"domain": "a.example"}] * 201, [{"name": "Anna"}], [{"image": "/etc/passwd"}], [{"domain": "example"}], [{"sha256": "short"}]],
)
def test_malformed(tmp_path, requests):
    with pytest.raises(ValueError, match=r"."):
        ask(str(tmp_path), requests)
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("receipt", ["", "nosuch", "../../etc/passwd", "a/b", "x" * 300])
def test_no_such_receipt(tmp_path, receipt):
    with pytest.raises(NoSuchRequest):
        look_up(str(tmp_path), receipt)

"""Requests that wait for somebody to decide on them: one small file each, in a private folder, named by its receipt.

    QUEUE/requests/RECEIPT.json    what is asked for, and what became of it
    QUEUE/contacts/RECEIPT.json    whom to answer, where an address was given; nothing else knows it

A request holds what erasure/requests.py reads and nothing else: no name, no picture, no reason.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from erasure.requests import RECEIPT, RECEIPT_FORM, parse_request
from storage import files

State = Literal["received", "approved", "applied", "refused"]
REQUESTS, CONTACTS = "requests", "contacts"
RECEIPT_BYTES = 16
MOST_REQUESTS, MOST_CONTACT = 200, 200  # of one receipt; letters of an address


class NoSuchRequest(LookupError):
    """No request has this receipt, or it is not in a state that allows what is wanted."""


@dataclass(frozen=True)
class Waiting:
    """What somebody asked for. `requests`: [{kind: value}, ...]; `received`: ISO 8601 UTC; `version`: the one in which it was applied."""

    receipt: str
    received: str
    requests: Sequence[Mapping[str, str]]
    state: State = "received"
    version: int = 0
    reason: str = ""

    @property
    def lines(self) -> list[str]:
        """As `pipeline.erase` reads them."""
        return [json.dumps({**request, RECEIPT: self.receipt}) for request in self.requests]


def ask(queue: str, requests: Sequence[Mapping[str, str]], contact: str = "") -> str:
    """Put requests into the queue; their receipt. Raises ValueError where one is malformed, or there are too many."""
    if not 0 < len(requests) <= MOST_REQUESTS or len(contact) > MOST_CONTACT:
        raise ValueError(f"one to {MOST_REQUESTS} requests, and an address of at most {MOST_CONTACT} letters")
    for request in requests:
        if "image" in request:
            raise ValueError("an example picture is asked for by its hashes")
        parse_request(json.dumps(dict(request)))
    receipt = secrets.token_hex(RECEIPT_BYTES)  # no receipt looks like an option
    if contact:
        files.write_private(files.join(queue, CONTACTS, f"{receipt}.json"), json.dumps({"contact": contact}))
    _write(queue, Waiting(receipt, datetime.now(UTC).isoformat(timespec="seconds"), [dict(request) for request in requests]))
    return receipt


def look_up(queue: str, receipt: str) -> Waiting:
    """What became of a request. Raises NoSuchRequest."""
    path = files.join(queue, REQUESTS, f"{receipt}.json")
    if not RECEIPT_FORM.fullmatch(receipt) or not files.exists(path):
        raise NoSuchRequest("no request has this receipt")
    return Waiting(**json.loads(files.read_text(path)))


def waiting(queue: str, *states: State) -> Iterator[Waiting]:
    """The requests in these states (all where none is named), the oldest first."""
    names = files.names_in(files.join(queue, REQUESTS), ".json")
    found = sorted((look_up(queue, name.removesuffix(".json")) for name in names), key=lambda one: (one.received, one.receipt))
    return (one for one in found if not states or one.state in states)


def contact_of(queue: str, receipt: str) -> str:
    """Whom to answer; empty where no address was given."""
    path = files.join(queue, CONTACTS, f"{receipt}.json")
    return str(json.loads(files.read_text(path))["contact"]) if files.exists(path) else ""


def decide(queue: str, receipt: str, state: State, version: int = 0, reason: str = "") -> Waiting:
    """Say what became of a request. Raises NoSuchRequest; what is applied stays so."""
    found = look_up(queue, receipt)
    if found.state == "applied":
        raise NoSuchRequest(f"this request was applied in version {found.version}; that is not undone")
    decided = replace(found, state=state, version=version, reason=reason)
    _write(queue, decided)
    return decided


def _write(queue: str, one: Waiting) -> None:
    files.write_private(files.join(queue, REQUESTS, f"{one.receipt}.json"), json.dumps(asdict(one)))

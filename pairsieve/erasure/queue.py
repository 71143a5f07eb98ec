"""Requests that wait for somebody to decide on them: one small file each, in a private folder,
named by its receipt.

    QUEUE/requests/RECEIPT.json    what is asked for, and what became of it
    QUEUE/contacts/RECEIPT.json    whom to answer, where an address was given, until the request is
                                   answered; nothing else knows it

A request holds what pairsieve/erasure/requests.py reads and nothing else: no name, no picture, no
reason. Each file is written whole. One that cannot be read all the same (a disk was full, somebody
edited it) is named by its receipt and holds up nothing.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from threading import Lock
from typing import Any, Literal

from pydantic import TypeAdapter

from pairsieve.erasure.requests import RECEIPT, RECEIPT_FORM, parse_request
from pairsieve.storage import files

State = Literal["received", "approved", "applied", "refused"]
OPEN: tuple[State, ...] = ("received", "approved")
REQUESTS, CONTACTS, SUFFIX = "requests", "contacts", ".json"
RECEIPT_BYTES = 16
MOST_REQUESTS, MOST_CONTACT = 200, 200  # of one receipt; letters of an address
# a contact is written a moment before its request: without one after an hour, the writer was killed
ABANDONED_S = 3600.0
# how long a count of the folder holds; how long it does where the queue is full
COUNTED_FOR_S, FULL_FOR_S = 60.0, 5.0


class NoSuchRequest(LookupError):
    """No request has this receipt, or it is not in a state that allows what is wanted."""


class UnreadableRequest(ValueError):
    """The file of a request is damaged; the message names it by its receipt, and says what to
    do.
    """


class QueueFull(RuntimeError):
    """As many requests wait as the quota lets in."""


@dataclass(frozen=True)
class Waiting:
    """What somebody asked for.

    `requests`: [{kind: value}, ...]; `received`: ISO 8601 UTC; `version`: the one in which it was
    applied.
    """

    receipt: str
    received: str
    requests: Sequence[Mapping[str, str]]
    state: State = "received"
    version: int = 0
    reason: str = ""

    @property
    def lines(self) -> list[str]:
        """As `pairsieve erase` reads them."""
        return [json.dumps({**request, RECEIPT: self.receipt}) for request in self.requests]


@dataclass(frozen=True)
class Quota:
    """How many requests may wait for a decision or to be applied, and how many bytes of them: a
    day's work of a person or two.
    """

    most_entries: int = 5_000
    most_bytes: int = 50_000_000


def ask(queue: str, requests: Sequence[Mapping[str, str]], contact: str = "") -> str:
    """Put requests into the queue; their receipt. Raises ValueError where one is malformed, or
    there are too many.
    """
    if not 0 < len(requests) <= MOST_REQUESTS or len(contact) > MOST_CONTACT:
        raise ValueError(
            f"one to {MOST_REQUESTS} requests, and an address of at most {MOST_CONTACT} letters"
        )
    for request in requests:
        if "image" in request:
            raise ValueError("an example picture is asked for by its hashes")
        parse_request(json.dumps(dict(request)))
    receipt = secrets.token_hex(RECEIPT_BYTES)  # no receipt looks like an option
    if contact:
        files.write_private(_path(queue, CONTACTS, receipt), json.dumps({"contact": contact}))
    try:
        _write(
            queue,
            Waiting(
                receipt,
                datetime.now(UTC).isoformat(timespec="seconds"),
                [dict(request) for request in requests],
            ),
        )
    except OSError:
        files.remove_file(_path(queue, CONTACTS, receipt))
        raise
    return receipt


def look_up(queue: str, receipt: str) -> Waiting:
    """What became of a request. Raises NoSuchRequest, UnreadableRequest."""
    if not RECEIPT_FORM.fullmatch(receipt) or not files.exists(_path(queue, REQUESTS, receipt)):
        raise NoSuchRequest("no request has this receipt")
    try:
        return _read(queue, receipt)
    except (ValueError, OSError):
        raise UnreadableRequest(
            f"{receipt}: its file {REQUESTS}/{receipt}{SUFFIX} cannot be read; "
            "bring it back from a copy, or remove it and wait to be asked again"
        ) from None


def _read(queue: str, receipt: str) -> Waiting:
    """Raises ValueError where the file does not hold what `ask` and `decide` write, and OSError."""
    found = _form().validate_json(files.read_text(_path(queue, REQUESTS, receipt)), strict=True)
    if found.receipt != receipt or not found.requests:
        raise ValueError("another receipt, or no requests")
    for line in found.lines:
        parse_request(line)
    return found


@lru_cache(1)
def _form() -> TypeAdapter[Waiting]:
    return TypeAdapter(Waiting)


def receipts(queue: str) -> list[str]:
    """Those of all requests, readable or not."""
    names = (
        name.removesuffix(SUFFIX) for name in files.names_in(files.join(queue, REQUESTS), SUFFIX)
    )
    return [name for name in names if RECEIPT_FORM.fullmatch(name)]


def waiting(queue: str, *states: State) -> Iterator[Waiting]:
    """The requests in these states (all where none is named) that can be read, the oldest first."""
    found = sorted(_readable(queue), key=lambda one: (one.received, one.receipt))
    return (one for one in found if not states or one.state in states)


def _readable(queue: str) -> Iterator[Waiting]:
    for receipt in receipts(queue):
        try:
            yield look_up(queue, receipt)
        except (
            UnreadableRequest,
            NoSuchRequest,
        ):  # it is named by `unreadable`; or it was removed a moment ago
            continue


def unreadable(queue: str) -> Iterator[UnreadableRequest]:
    """What is wrong with requests that cannot be read."""
    for receipt in receipts(queue):
        try:
            look_up(queue, receipt)
        except UnreadableRequest as error:
            yield error
        except NoSuchRequest:
            continue


def contact_of(queue: str, receipt: str) -> str:
    """Whom to answer; empty where no address was given, where it was removed, or cannot be read."""
    path = _path(queue, CONTACTS, receipt)
    try:
        found: Any = json.loads(files.read_text(path)) if files.exists(path) else {}
    except (ValueError, RecursionError, OSError):
        return ""
    return str(found.get("contact", "")) if isinstance(found, dict) else ""


def decide(queue: str, receipt: str, state: State, version: int = 0, reason: str = "") -> Waiting:
    """Say what became of a request; whoever was to be answered is forgotten once it is applied or
    refused.

    Raises NoSuchRequest, UnreadableRequest; what is applied stays so.
    """
    found = look_up(queue, receipt)
    if found.state == "applied":
        raise NoSuchRequest(
            f"this request was applied in version {found.version}; that is not undone"
        )
    decided = replace(found, state=state, version=version, reason=reason)
    _write(queue, decided)
    if state not in OPEN:
        files.remove_file(_path(queue, CONTACTS, receipt))
    return decided


def forget_contacts(queue: str) -> int:
    """Remove the contacts of requests that are answered or were never written whole: those that a
    killed process left; how many.
    """
    folder = files.join(queue, CONTACTS)
    found = [name.removesuffix(SUFFIX) for name in files.names_in(folder, SUFFIX)]
    gone = [receipt for receipt in found if not _is_needed(queue, receipt)]
    for receipt in gone:
        files.remove_file(_path(queue, CONTACTS, receipt))
    return len(gone)


def _is_needed(queue: str, receipt: str) -> bool:
    try:
        return look_up(queue, receipt).state in OPEN
    except UnreadableRequest:
        return True  # its file may be brought back
    except NoSuchRequest:
        return time.time() - files.last_written(_path(queue, CONTACTS, receipt)) < ABANDONED_S


@dataclass
class Room:
    """A queue with a quota, for many threads.

    What waits is counted from its folder now and then, and by what is asked meanwhile.
    """

    queue: str
    quota: Quota
    now_s: Callable[[], float] = time.monotonic
    _counted_at: float = -COUNTED_FOR_S
    _entries: int = 0
    _bytes: int = 0
    _open: dict[str, tuple[object, bool]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def ask(self, requests: Sequence[Mapping[str, str]], contact: str = "") -> str:
        """As `ask`. Raises QueueFull besides."""
        size = len(json.dumps([dict(request) for request in requests])) + len(contact)
        with self._lock:
            self._check(size)
            receipt = ask(self.queue, requests, contact)
            self._entries, self._bytes = self._entries + 1, self._bytes + size
        return receipt

    def _check(self, size: int) -> None:
        age_s = self.now_s() - self._counted_at
        if age_s >= COUNTED_FOR_S or (self._is_full(size) and age_s >= FULL_FOR_S):
            self._count()
        if self._is_full(size):
            raise QueueFull("the queue is full")

    def _is_full(self, size: int) -> bool:
        return (
            self._entries >= self.quota.most_entries or self._bytes + size > self.quota.most_bytes
        )

    def _count(self) -> None:
        """List the folder; only files that have changed since the last time are read. What cannot
        be read takes room as well.
        """
        found = {receipt: (mark, size) for receipt, mark, size in _marks(self.queue)}
        known = {
            receipt: one
            for receipt, one in self._open.items()
            if receipt in found and one[0] == found[receipt][0]
        }
        self._open = {
            receipt: known.get(receipt) or (mark, self._waits(receipt))
            for receipt, (mark, _) in found.items()
        }
        sizes = [found[receipt][1] for receipt, (_, waits) in self._open.items() if waits]
        self._entries, self._bytes, self._counted_at = len(sizes), sum(sizes), self.now_s()

    def _waits(self, receipt: str) -> bool:
        try:
            return look_up(self.queue, receipt).state in OPEN
        except UnreadableRequest:
            return True
        except NoSuchRequest:
            return False


def _marks(queue: str) -> Iterator[tuple[str, object, int]]:
    """(receipt, what changes when its file does, bytes) of each request, by one listing."""
    fs, folder = files.filesystem(files.join(queue, REQUESTS))
    for one in fs.ls(folder, detail=True) if fs.exists(folder) else ():
        receipt = str(one["name"]).rpartition("/")[2].removesuffix(SUFFIX)
        size = int(one.get("size") or 0)
        if RECEIPT_FORM.fullmatch(receipt):
            yield receipt, (size, one.get("mtime"), one.get("ino"), one.get("LastModified")), size


def _path(queue: str, folder: str, receipt: str) -> str:
    return files.join(queue, folder, f"{receipt}{SUFFIX}")


def _write(queue: str, one: Waiting) -> None:
    files.write_private(_path(queue, REQUESTS, one.receipt), json.dumps(asdict(one)))

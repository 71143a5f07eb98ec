"""A queue of erasure requests that wait for a person to decide on them.

It is a private folder with one small file for each request, named by its receipt:

    QUEUE/requests/RECEIPT.json    what is asked for, and what became of it
    QUEUE/contacts/RECEIPT.json    whom to answer, if an address was given; removed once the
                                   request is answered, and stored nowhere else

A request holds what pairsieve/erasure/requests.py reads and nothing else: no name, no picture, no
reason. Each file is written atomically. A file can still become unreadable (a full disk, an edit by
hand); it is then reported by its receipt, and the other requests are not affected.
"""

from __future__ import annotations

import json
import secrets
import time
from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from pairsieve.erasure.requests import RECEIPT, RECEIPT_FORM, parse_request
from pairsieve.storage import files

if TYPE_CHECKING:
    from pydantic import TypeAdapter

State = Literal["received", "approved", "applied", "refused"]
OPEN: tuple[State, ...] = ("received", "approved")
REQUESTS, CONTACTS, SUFFIX = "requests", "contacts", ".json"
RECEIPT_BYTES = 16
MAX_REQUESTS = 400  # of one receipt: three for each of 100 results, and the example's
MAX_CONTACT_CHARS = 200
# A contact is written a moment before its request. If there is no request after an hour, the
# process that wrote the contact was killed.
ABANDONED_S = 3600.0
# How long a count of the folder is used, and how long while the queue is full.
COUNTED_FOR_S, FULL_FOR_S = 60.0, 5.0


class NoSuchRequest(LookupError):
    """No request has this receipt, or its state does not allow the change."""


class UnreadableRequest(ValueError):
    """The file of a request is damaged; the message gives its receipt, and says what to do."""


class QueueFull(RuntimeError):
    """The quota allows no more requests."""


QueuedFields = Mapping[str, str | bool]
"""{kind: value}, and `copies` if that was asked for."""


@dataclass(frozen=True)
class QueuedRequest:
    """The requests of one receipt.

    `requests`: one for each thing that was asked for. `received`: ISO 8601 UTC. `version`: that of
    the dataset in which they were applied.
    """

    receipt: str
    received: str
    requests: Sequence[QueuedFields]
    state: State = "received"
    version: int = 0
    reason: str = ""

    @property
    def lines(self) -> list[str]:
        """The requests as `pairsieve erase` reads them."""
        return [json.dumps({**request, RECEIPT: self.receipt}) for request in self.requests]

    @property
    def answer_by(self) -> date:
        """The last day on which the request can be answered in time: a month after it came.

        GDPR 12(3). The month ends on the same date of the next month, or on its last day if it has
        no such date (Regulation (EEC, Euratom) 1182/71, article 3(2)(c)). That article moves a last
        day which is a holiday; here it stays, so that it is never too late. Days are those of UTC.
        Raises ValueError when `received` is no time.
        """
        received = datetime.fromisoformat(self.received).astimezone(UTC).date()
        year, month = received.year + received.month // 12, received.month % 12 + 1
        return date(year, month, min(received.day, monthrange(year, month)[1]))


@dataclass(frozen=True)
class Quota:
    """How many open requests a queue may hold, and how many bytes of them.

    The defaults are some days' work of a person or two.
    """

    max_entries: int = 5_000
    max_bytes: int = 50_000_000


def ask(queue: str, requests: Sequence[QueuedFields], contact: str = "") -> str:
    """Add requests to the queue; return their receipt.

    Raises ValueError when one is malformed, or when there are none or too many.
    """
    if not 0 < len(requests) <= MAX_REQUESTS or len(contact) > MAX_CONTACT_CHARS:
        raise ValueError(
            f"give one to {MAX_REQUESTS} requests, and an address of at most "
            f"{MAX_CONTACT_CHARS} letters"
        )
    for request in requests:
        if "image" in request:
            raise ValueError("ask for an example picture by its hashes")
        parse_request(json.dumps(dict(request)))
    receipt = secrets.token_hex(RECEIPT_BYTES)  # hex digits never look like a command's option
    received = datetime.now(UTC).isoformat(timespec="seconds")
    queued = QueuedRequest(receipt, received, [dict(request) for request in requests])
    # The contact comes first, so that no request waits whose contact was lost in a crash.
    if contact:
        files.write_private(_path(queue, CONTACTS, receipt), json.dumps({"contact": contact}))
    try:
        _write(queue, queued)
    except OSError:
        files.remove_file(_path(queue, CONTACTS, receipt))
        raise
    return receipt


def look_up(queue: str, receipt: str) -> QueuedRequest:
    """Return a request by its receipt. Raises NoSuchRequest and UnreadableRequest."""
    # The receipt becomes a file name, so its form is checked first.
    if not RECEIPT_FORM.fullmatch(receipt) or not files.exists(_path(queue, REQUESTS, receipt)):
        raise NoSuchRequest("no request has this receipt")
    try:
        return _read(queue, receipt)
    except (ValueError, OSError):
        raise UnreadableRequest(
            f"{receipt}: its file {REQUESTS}/{receipt}{SUFFIX} cannot be read; "
            "restore it from a backup, or remove it and wait until the person asks again"
        ) from None


def _read(queue: str, receipt: str) -> QueuedRequest:
    """Read the file of a request.

    Raises OSError, and ValueError when the file does not hold what `ask` and `decide` write.
    """
    text = files.read_text(_path(queue, REQUESTS, receipt))
    # Strict: pydantic would otherwise read "1" as a number.
    queued = _adapter().validate_json(text, strict=True)
    if queued.receipt != receipt or not queued.requests:
        raise ValueError("the file holds another receipt, or no requests")
    for line in queued.lines:
        parse_request(line)
    _ = queued.answer_by  # raises for what is no time
    return queued


@lru_cache(1)
def _adapter() -> TypeAdapter[QueuedRequest]:
    from pydantic import TypeAdapter

    return TypeAdapter(QueuedRequest)


def receipts(queue: str) -> list[str]:
    """Return the receipts of all requests, readable or not."""
    names = files.names_in(files.join(queue, REQUESTS), SUFFIX)
    stems = [name.removesuffix(SUFFIX) for name in names]
    return [stem for stem in stems if RECEIPT_FORM.fullmatch(stem)]


def waiting(queue: str, *states: State) -> Iterator[QueuedRequest]:
    """Yield the readable requests in some states (default: all), the oldest first."""
    readable = sorted(_readable(queue), key=lambda queued: (queued.received, queued.receipt))
    for queued in readable:
        if not states or queued.state in states:
            yield queued


def _readable(queue: str) -> Iterator[QueuedRequest]:
    for receipt in receipts(queue):
        try:
            yield look_up(queue, receipt)
        except UnreadableRequest:
            continue  # `unreadable` reports it
        except NoSuchRequest:
            continue  # it was removed after the folder was listed


def unreadable(queue: str) -> Iterator[UnreadableRequest]:
    """Yield an error for each request that cannot be read."""
    for receipt in receipts(queue):
        try:
            look_up(queue, receipt)
        except UnreadableRequest as error:
            yield error
        except NoSuchRequest:
            continue  # it was removed after the folder was listed


def contact_of(queue: str, receipt: str) -> str:
    """Return the address to answer to; empty if there is none or it cannot be read."""
    path = _path(queue, CONTACTS, receipt)
    try:
        content: Any = json.loads(files.read_text(path)) if files.exists(path) else {}
    except (ValueError, RecursionError, OSError):
        return ""
    return str(content.get("contact", "")) if isinstance(content, dict) else ""


def decide(
    queue: str,
    receipt: str,
    state: State,
    version: int = 0,
    reason: str = "",
    more: Sequence[QueuedFields] = (),
) -> QueuedRequest:
    """Set the state of a request; return it. The contact is removed once it is answered.

    `more` is asked for too from now on, as copies of a picture that somebody has looked at.
    Raises UnreadableRequest, and NoSuchRequest also for a request that was applied: that cannot
    be undone.
    """
    queued = look_up(queue, receipt)
    if queued.state == "applied":
        raise NoSuchRequest(
            f"this request was applied in version {queued.version}; that cannot be undone"
        )
    asked = [*queued.requests, *(each for each in more if each not in queued.requests)]
    decided = replace(queued, state=state, version=version, reason=reason, requests=asked)
    _write(queue, decided)
    # After the request was written: a crash in between leaves a contact, and `forget_contacts`
    # removes it later.
    if state not in OPEN:
        files.remove_file(_path(queue, CONTACTS, receipt))
    return decided


def forget_contacts(queue: str) -> int:
    """Remove contacts that a killed process left behind; return how many.

    They belong to requests that are answered or were never written.
    """
    removed = 0
    for name in files.names_in(files.join(queue, CONTACTS), SUFFIX):
        receipt = name.removesuffix(SUFFIX)
        if not _needs_contact(queue, receipt):
            files.remove_file(_path(queue, CONTACTS, receipt))
            removed += 1
    return removed


def _needs_contact(queue: str, receipt: str) -> bool:
    try:
        return look_up(queue, receipt).state in OPEN
    except UnreadableRequest:
        return True  # its file may be restored
    except NoSuchRequest:
        # It may be written in a moment.
        age_s = time.time() - files.last_written(_path(queue, CONTACTS, receipt))
        return age_s < ABANDONED_S


@dataclass(frozen=True)
class _QueueFile:
    """The file of a request as a listing shows it; `mark` changes whenever the file changes."""

    receipt: str
    mark: object
    size_bytes: int


@dataclass
class BoundedQueue:
    """A queue with a quota, for many threads.

    Its folder is counted now and then; in between, the requests that this object adds are counted.
    """

    queue: str
    quota: Quota
    now_s: Callable[[], float] = time.monotonic
    _counted_at_s: float = -COUNTED_FOR_S
    _entries: int = 0
    _bytes: int = 0
    _is_open: dict[str, tuple[object, bool]] = field(default_factory=dict)
    """Receipt -> (mark of its file, whether the request is open)."""
    _lock: Lock = field(default_factory=Lock)

    def ask(self, requests: Sequence[QueuedFields], contact: str = "") -> str:
        """Add requests as `ask` does. Raises QueueFull besides."""
        size_bytes = len(json.dumps([dict(request) for request in requests])) + len(contact)
        # Checked and added under one lock, else two threads could both take the last place.
        with self._lock:
            self._check_quota(size_bytes)
            receipt = ask(self.queue, requests, contact)
            self._entries += 1
            self._bytes += size_bytes
        return receipt

    def _check_quota(self, size_bytes: int) -> None:
        age_s = self.now_s() - self._counted_at_s
        # While the queue is full it is counted more often: somebody may just have decided.
        max_age_s = FULL_FOR_S if self._is_full(size_bytes) else COUNTED_FOR_S
        if age_s >= max_age_s:
            self._count()
        if self._is_full(size_bytes):
            raise QueueFull("the queue is full")

    def _is_full(self, size_bytes: int) -> bool:
        has_entry = self._entries < self.quota.max_entries
        has_bytes = self._bytes + size_bytes <= self.quota.max_bytes
        return not (has_entry and has_bytes)

    def _count(self) -> None:
        """Count the open requests in the folder. Only files that changed since then are read."""
        is_open: dict[str, tuple[object, bool]] = {}
        sizes_bytes: list[int] = []
        for file in _list_files(self.queue):
            known = self._is_open.get(file.receipt)
            if known is not None and known[0] == file.mark:
                is_open[file.receipt] = known
            else:
                is_open[file.receipt] = file.mark, self._takes_quota(file.receipt)
            if is_open[file.receipt][1]:
                sizes_bytes.append(file.size_bytes)
        self._is_open = is_open
        self._entries, self._bytes = len(sizes_bytes), sum(sizes_bytes)
        self._counted_at_s = self.now_s()

    def _takes_quota(self, receipt: str) -> bool:
        try:
            return look_up(self.queue, receipt).state in OPEN
        except UnreadableRequest:
            return True
        except NoSuchRequest:
            return False


def _list_files(queue: str) -> Iterator[_QueueFile]:
    """Yield the files of all requests, from one listing of the folder."""
    fs, folder = files.filesystem(files.join(queue, REQUESTS))
    if not fs.exists(folder):
        return
    for info in fs.ls(folder, detail=True):
        receipt = str(info["name"]).rpartition("/")[2].removesuffix(SUFFIX)
        if RECEIPT_FORM.fullmatch(receipt):
            size_bytes = int(info.get("size") or 0)
            mark = size_bytes, info.get("mtime"), info.get("ino"), info.get("LastModified")
            yield _QueueFile(receipt, mark, size_bytes)


def _path(queue: str, folder: str, receipt: str) -> str:
    return files.join(queue, folder, f"{receipt}{SUFFIX}")


def _write(queue: str, queued: QueuedRequest) -> None:
    path = _path(queue, REQUESTS, queued.receipt)
    files.write_private(path, json.dumps(asdict(queued)))

"""The publisher's side of the search page: /admin, where a person decides on requests.

Decisions are made by pairsieve/erasure/decisions.py, as `pairsieve requests` makes them. Addresses
for answers are shown here and nowhere else on the page. So it is kept from strangers four times:

- without `--admin` the routes are not there;
- they answer only on this machine under one of its own names, or under a name that the operator has
  given because a proxy makes people log in there. To everybody else they are not there;
- a browser must have come with the key, which lies in a private file beside the requests;
- a form must come from the page itself.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from urllib.parse import urlencode

from cachetools import LRUCache
from fastapi import HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment

from pairsieve.erasure.decisions import (
    CountRows,
    FindCopies,
    PictureCopy,
    RowCount,
    TooManyRows,
    parsed,
    prepare_approval,
)
from pairsieve.erasure.queue import (
    OPEN,
    NoSuchRequest,
    QueuedRequest,
    UnreadableRequest,
    contact_of,
    decide,
    forget_contacts,
    look_up,
    unreadable,
    waiting,
)
from pairsieve.explore.gate import address_of
from pairsieve.explore.guard import Form, Signer, check_site, read_form
from pairsieve.explore.networks import LOOPBACK_NAMES, host_name, is_loopback
from pairsieve.explore.refused import Refused
from pairsieve.explore.settings import Publisher
from pairsieve.explore.work_queue import WorkQueue
from pairsieve.records.manifest import MANIFEST
from pairsieve.storage import files

COOKIE, PATH = "pairsieve_admin", "/admin"
SESSION_S = 12 * 3600  # a working day; the token in the cookie lives for TOKEN_AGE_S at most
PER_PAGE = 20
MAX_KNOWN_COUNTS = 10_000  # requests whose rows are remembered; some 2 MB
MAX_SHOWN_VALUES = 5  # things that one request asks for; the others behind a click
MAX_REASON_CHARS = 500
MAX_SHOWN_COPIES = 200  # a form has MAX_FIELDS fields
# The folder of requests is read within seconds. A dataset of many rows takes longer to read than
# somebody waits for a page: the rows are then counted on, and shown when the page is loaded again.
FILES_S, COUNT_S, DECIDE_S = 20.0, 15.0, 100.0
# Headers by which a proxy says that it passes on what somebody else asked (RFC 7239, and habit).
# A proxy that was set up without a thought for /admin must not open it to the world.
PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


@dataclass
class RowCounter:
    """Counts the rows of requests, and remembers them until the dataset changes."""

    dataset: str
    count_rows: CountRows
    _counts: LRUCache[tuple[str, str], RowCount] = field(
        default_factory=lambda: LRUCache(MAX_KNOWN_COUNTS)
    )
    """(Mark of the dataset's version, receipt) -> its rows."""

    def known(self, requests: Sequence[QueuedRequest]) -> Mapping[str, RowCount]:
        """Return the counts that are known, by receipt."""
        mark = self._mark()
        counts = {each.receipt: self._counts.get((mark, each.receipt)) for each in requests}
        return {receipt: count for receipt, count in counts.items() if count is not None}

    def count(self, requests: Sequence[QueuedRequest]) -> None:
        """Count what is not known, in one reading of the dataset."""
        mark = self._mark()
        unknown = [each for each in requests if (mark, each.receipt) not in self._counts]
        if not unknown:
            return
        counts = self.count_rows(list(map(parsed, unknown)))
        for request, count in zip(unknown, counts.each, strict=True):
            self._counts[mark, request.receipt] = count

    def _mark(self) -> str:
        """Return what differs after the dataset was changed; empty while it is being changed."""
        try:
            return files.ukey(files.join(self.dataset, MANIFEST))
        except OSError:
            return ""


@dataclass(frozen=True)
class OpenRequest:
    """A request that waits, as the page shows it. `links`: to the searches for what it names."""

    request: QueuedRequest
    contact: str
    days_left: int
    values: Sequence[tuple[str, str]]
    links: Mapping[str, str]


@dataclass(frozen=True)
class OpenRequests:
    """One page of the requests that wait, the oldest first.

    `overdue`: how many should have been answered. `damaged`: what is wrong with the others.
    """

    shown: Sequence[OpenRequest]
    waiting: int
    approved: int
    overdue: int
    damaged: Sequence[str]
    page: int
    pages: int


@dataclass(frozen=True)
class PublisherPage:
    """The routes of /admin, and what they share.

    `queue` is the folder of requests. `forms` and `sessions` sign with salts of their own: nothing
    that a visitor of the search page is given is good here.
    """

    name: str
    dataset: str
    queue: str
    publisher: Publisher
    rows: RowCounter
    forms: Signer
    sessions: Signer
    templates: Environment
    work: WorkQueue = field(default_factory=lambda: WorkQueue("decisions", 1, 8, 8))
    """One thread, so that two approvals never count past each other."""
    reading: WorkQueue = field(default_factory=lambda: WorkQueue("open requests", 1, 8, 8))

    async def show(self, request: Request) -> Response:
        """Show the requests that wait; without a session, the form for the key."""
        self._check_place(request)
        if not self._has_session(request):
            return self._render("publisher_key.html.j2", wrong=False)
        return await self._show(request)

    async def log_in(self, request: Request) -> Response:
        """Let a browser in that has the key."""
        self._check_place(request)
        check_site(request)
        form = await read_form(request)
        key = form.first("key").encode()
        if not secrets.compare_digest(key, self.publisher.key.encode()):
            return self._render("publisher_key.html.j2", 403, wrong=True)
        response = RedirectResponse(PATH, 303)
        response.set_cookie(
            COOKIE,
            self.sessions.token(),
            max_age=SESSION_S,
            path=PATH,
            httponly=True,
            samesite="strict",
            # The proxy speaks TLS; on this machine nothing does.
            secure=_host(request) not in LOOPBACK_NAMES,
        )
        return response

    async def log_out(self, request: Request) -> Response:
        """Forget the browser."""
        await self._form(request)
        response = RedirectResponse(PATH, 303)
        response.delete_cookie(COOKIE, path=PATH)
        return response

    async def copies(self, request: Request) -> Response:
        """Show the rows that show the pictures of a request at other addresses, to choose from."""
        receipt = (await self._form(request)).first("receipt")
        if self.publisher.find_copies is None:
            raise HTTPException(404)
        work = partial(self._copies, receipt, self.publisher.find_copies)
        found = await self.work.run(work, DECIDE_S)
        if isinstance(found, str):
            return await self._show(request, found)
        return self._render(
            "publisher_copies.html.j2",
            receipt=receipt,
            copies=found[:MAX_SHOWN_COPIES],
            others=len(found[MAX_SHOWN_COPIES:]),
            links={copy.url: _search_for("image_url", copy.url) for copy in found},
            token=self.forms.token(),
        )

    async def approve(self, request: Request) -> Response:
        """Approve a request, if all that is approved takes out no more rows than was agreed to.

        The copies that were chosen become part of the request.
        """
        form = await self._form(request)
        receipt, copies = form.first("receipt"), form.fields.get("copy", [])
        message = await self.work.run(partial(self._approve, receipt, copies), DECIDE_S)
        return await self._show(request, message)

    async def refuse(self, request: Request) -> Response:
        """Refuse a request, and show once more whom to answer."""
        form = await self._form(request)
        receipt, reason = form.first("receipt"), form.first("reason")[:MAX_REASON_CHARS]
        if not reason:
            return await self._show(request, "Say why: whoever has the receipt reads the reason.")
        message = await self.work.run(partial(self._refuse, receipt, reason), DECIDE_S)
        return await self._show(request, message)

    def _copies(self, receipt: str, find_copies: FindCopies) -> Sequence[PictureCopy] | str:
        """Return the copies of what a request is about; what is wrong, where it cannot be read."""
        try:
            return find_copies(parsed(look_up(self.queue, receipt)))
        except (NoSuchRequest, UnreadableRequest) as error:
            return f"Not approved: {error}."

    def _approve(self, receipt: str, copies: Sequence[str]) -> str:
        """Approve; return what happened."""
        try:
            approval = prepare_approval(
                self.queue, [receipt], self.rows.count_rows, {receipt: copies}
            )
            approval.make(self.publisher.max_rows)
        except TooManyRows as error:
            return f"Not approved: {error}."
        except (NoSuchRequest, UnreadableRequest, ValueError) as error:
            return f"Not approved: {error}."
        with_copies = f", {len(copies)} of them copies that were chosen" if copies else ""
        return f"{receipt} was approved. It takes out {approval.counts[0].text}{with_copies}."

    def _refuse(self, receipt: str, reason: str) -> str:
        """Refuse; return what happened."""
        try:
            # Deciding removes the address: read it before.
            contact = contact_of(self.queue, receipt) if receipt else ""
            decide(self.queue, receipt, "refused", reason=reason)
        except (NoSuchRequest, UnreadableRequest) as error:
            return f"Not refused: {error}."
        answer = f" Answer to {contact}: the address is not kept." if contact else ""
        return f"{receipt} was refused.{answer}"

    async def _form(self, request: Request) -> Form:
        """Return a form that the page itself has sent, with a session. Raises Refused."""
        self._check_place(request)
        check_site(request)
        if not self._has_session(request):
            raise Refused(403, "stale")
        form = await read_form(request)
        self.forms.check_token(form.first("token"))
        return form

    def _check_place(self, request: Request) -> None:
        """Raise the error of an unknown path, where /admin does not answer."""
        if not may_reach(request, self.publisher.hosts):
            raise HTTPException(404)

    def _has_session(self, request: Request) -> bool:
        try:
            self.sessions.check_token(request.cookies.get(COOKIE, ""))
        except Refused:
            return False
        return True

    async def _show(self, request: Request, message: str = "") -> Response:
        """Show the requests that wait, and what has happened."""
        number = request.query_params.get("p", "1")
        page = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 1
        found = await self.reading.run(partial(self._open_requests, page), FILES_S)
        requests = [each.request for each in found.shown]
        with suppress(Refused):  # when it takes longer, it goes on, and the page says so
            await self.work.run(partial(self.rows.count, requests), COUNT_S)
        return self._render(
            "publisher.html.j2",
            found=found,
            counts=self.rows.known(requests),
            message=message,
            token=self.forms.token(),
            max_rows=self.publisher.max_rows,
            apply=f"pairsieve requests apply --dataset {shlex.quote(self.dataset)}",
            max_values=MAX_SHOWN_VALUES,
            max_reason=MAX_REASON_CHARS,
            shows_copies=self.publisher.find_copies is not None,
        )

    def _open_requests(self, page: int) -> OpenRequests:
        """Read the folder of requests."""
        forget_contacts(self.queue)
        requests = list(waiting(self.queue, *OPEN))
        today = datetime.now(UTC).date()
        pages = max(1, -(-len(requests) // PER_PAGE))  # rounded up
        page = min(max(1, page), pages)
        on_page = requests[(page - 1) * PER_PAGE : page * PER_PAGE]
        return OpenRequests(
            shown=[self._open_request(request, today) for request in on_page],
            waiting=sum(request.state == "received" for request in requests),
            approved=sum(request.state == "approved" for request in requests),
            overdue=sum(request.answer_by < today for request in requests),
            damaged=[str(error) for error in unreadable(self.queue)],
            page=page,
            pages=pages,
        )

    def _open_request(self, request: QueuedRequest, today: date) -> OpenRequest:
        values: list[tuple[str, str]] = []
        searches: dict[str, str] = {}
        for entry in request.requests:
            for kind, value in entry.items():
                # What is no text is an option of the request, and nothing to search for.
                if isinstance(value, str):
                    values.append((kind, value))
                    searches[value] = _search_for(kind, value)
        contact = contact_of(self.queue, request.receipt)
        days_left = (request.answer_by - today).days
        return OpenRequest(request, contact, days_left, values, searches)

    def _render(self, template: str, status: int = 200, **values: object) -> Response:
        html = self.templates.get_template(template).render(name=self.name, **values)
        return HTMLResponse(html, status, headers={"Content-Language": "en"})


def may_reach(request: Request, hosts: frozenset[str]) -> bool:
    """Return whether /admin answers a request; `hosts` are names at which a proxy makes people log
    in.

    Under this machine's own names only what comes from this machine and through no proxy.
    """
    host = _host(request)
    if host not in LOOPBACK_NAMES:
        return host in hosts
    is_forwarded = any(name in request.headers for name in PROXY_HEADERS)
    return is_loopback(address_of(request)) and not is_forwarded


def _host(request: Request) -> str:
    return host_name(request.headers.get("host", ""))


def _search_for(kind: str, value: str) -> str:
    """Return the link to the search for what a request names; empty where there is none."""
    if kind in ("image_url", "page_url"):
        return "/?" + urlencode({"q": value})
    return "/?" + urlencode({"host": value}) if kind == "domain" else ""

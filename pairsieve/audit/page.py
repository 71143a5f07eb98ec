"""The page on which a person labels: one caption at a time, and its picture when it is asked for.

It shows nothing of what detectors observed or rules decided. It answers on this machine alone, and
only to a browser that has opened the address which the command printed, since that holds a key:
other users of the machine can reach the port too.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, PackageLoader
from starlette.requests import Request
from starlette.responses import Response

from pairsieve.audit.labels import LABELS, LabelFile
from pairsieve.explore.gate import Gate, RequestRule
from pairsieve.explore.guard import check_site, read_form
from pairsieve.explore.limits import RateLimiter, RateLimits
from pairsieve.explore.networks import LOOPBACK_NAMES
from pairsieve.explore.refused import Refused
from pairsieve.web.shown import plain

COOKIE = "pairsieve_audit"
MAX_CAPTION_CHARS = 4_000
# One person at a keyboard never comes near it; the gate wants a limit.
LIMITS = RateLimits(*["12000/minute"] * 4)
PICTURE_S = 90.0  # to fetch a picture from a slow host, and to decode it

ReadPicture = Callable[[str], bytes | None]
"""Row id -> a JPEG, or None where there is nothing to show."""


@dataclass(frozen=True)
class Item:
    """One row to label."""

    row_id: str
    caption: str


@dataclass(frozen=True)
class LabelPage:
    """The routes. `items` are in the order in which they are shown; `key` lets a browser in."""

    asked: str
    items: Sequence[Item]
    labels: LabelFile
    read_picture: ReadPicture
    key: str
    templates: Environment

    async def show(self, request: Request) -> Response:
        """Show the first row that has no label."""
        if "key" in request.query_params:
            return self._let_in(request.query_params["key"])
        self._check(request)
        row = self._next()
        caption = ""
        if row is not None:
            caption = plain(self.items[row].caption, MAX_CAPTION_CHARS)
        text = self.templates.get_template("label.html.j2").render(
            asked=self.asked,
            row=row,
            caption=caption,
            picture=request.query_params.get("picture") == "1",
            done=len(self.labels.labels),
            total=len(self.items),
        )
        return HTMLResponse(text)

    async def label(self, request: Request) -> Response:
        """Keep a label, and show the next row."""
        self._check(request)
        form = await read_form(request)
        row = self._row(form.first("row"))
        label = next((known for known in LABELS if known == form.first("label")), None)
        if row is None or label is None:
            raise Refused(400, "malformed")
        row_id = self.items[row].row_id
        # A page that was open in two tabs sends a row twice: the first answer stays.
        if row_id not in self.labels.labels:
            self.labels.add(row_id, label)
        return RedirectResponse("/", 303)

    async def undo(self, request: Request) -> Response:
        """Take the last label back."""
        self._check(request)
        form = await read_form(request)
        # A button that was pressed twice takes one label back, not two.
        if form.first("done") == str(len(self.labels.labels)):
            self.labels.undo()
        return RedirectResponse("/", 303)

    async def picture(self, request: Request) -> Response:
        """The picture of a row, as a JPEG that was made anew from its pixels."""
        self._check(request)
        row = self._row(request.query_params.get("row", ""))
        if row is None:
            raise Refused(404, "no such row")
        try:
            async with asyncio.timeout(PICTURE_S):
                content = await asyncio.to_thread(self.read_picture, self.items[row].row_id)
        except TimeoutError:
            content = None
        if content is None:
            raise Refused(404, "no picture")
        return Response(content, media_type="image/jpeg")

    async def refused(self, _request: Request, error: Exception) -> Response:
        """Answer a refused request in plain text."""
        assert isinstance(error, Refused)
        return PlainTextResponse(f"{error.text}\n", error.status)

    def _let_in(self, key: str) -> Response:
        """Give the browser the key as a cookie, so that it does not stay in the address."""
        if not secrets.compare_digest(key.encode(), self.key.encode()):
            raise Refused(403, "open the address that the command has printed")
        response = RedirectResponse("/", 303)
        response.set_cookie(COOKIE, self.key, httponly=True, samesite="strict")
        return response

    def _check(self, request: Request) -> None:
        """Raise Refused for a browser without the key, and for requests of other sites."""
        key = request.cookies.get(COOKIE, "")
        if not secrets.compare_digest(key.encode(), self.key.encode()):
            raise Refused(403, "open the address that the command has printed")
        check_site(request)

    def _next(self) -> int | None:
        for row, item in enumerate(self.items):
            if item.row_id not in self.labels.labels:
                return row
        return None

    def _row(self, text: str) -> int | None:
        is_number = text.isascii() and text.isdigit() and len(text) < 10
        if not is_number:
            return None
        row = int(text)
        return row if row < len(self.items) else None


def make_app(
    asked: str, items: Sequence[Item], labels: LabelFile, read_picture: ReadPicture, key: str
) -> Gate:
    """The application, behind the gate of the search page: the same headers, hosts and limits."""
    templates = Environment(
        loader=PackageLoader("pairsieve.audit"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = LabelPage(asked, items, labels, read_picture, key, templates)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    for path, package in (("/static", "pairsieve.explore"), ("/own", "pairsieve.audit")):
        folder = Path(str(files(package))) / "static"
        app.mount(path, StaticFiles(directory=str(folder)))
    app.exception_handler(Refused)(page.refused)
    app.get("/", response_class=HTMLResponse)(page.show)
    app.get("/picture", response_class=Response)(page.picture)
    app.post("/label", response_class=Response)(page.label)
    app.post("/undo", response_class=Response)(page.undo)
    return Gate(app, rule_of, LOOPBACK_NAMES, RateLimiter(LIMITS), page.refused)


def rule_of(_method: str, _path: str) -> RequestRule:
    """Every route has the same limits: forms are short."""
    return RequestRule("others")

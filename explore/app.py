"""The search page and its JSON: every answer comes from search/find.py, every request goes into erasure/queue.py."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar
from urllib.parse import urlencode

import numpy as np
from fastapi import FastAPI, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from itsdangerous import TimestampSigner
from jinja2 import Environment, PackageLoader
from numpy.typing import NDArray
from pydantic import BaseModel

from erasure.queue import NoSuchRequest, ask, look_up
from erasure.requests import MAX_EXAMPLE_BYTES
from explore.cards import card
from explore.guard import Form, Guard, Limits, Refused, check_site, headers, read_form
from explore.opened import Opened
from explore.texts import LANGUAGES, Texts, texts_for
from images.prepare import Pixels, Square
from images.processes import Crashed, Processes
from search.example import Example, read_example
from search.find import EXACT_FILTERS, Found, Sort, VectorsOf
from search.find import Query as Wanted

LOGGER = logging.getLogger(__name__)
Result = TypeVar("Result")
PER_PAGE = 24
MOST_LETTERS = 2_000
PICTURE_KINDS = ("image_url", "sha256", "pdq")  # a picture is taken out by its address and by its hashes, wherever it is


class Encoder(Protocol):
    """What makes vectors: clip/encoder.py."""

    @property
    def square(self) -> Square: ...

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) unit vectors."""

    def pictures(self, pixels: Sequence[Pixels]) -> NDArray[np.float32]:
        """(n, d) unit vectors."""


@dataclass(frozen=True)
class Settings:
    """`queue`: the private folder where requests wait; `secret` signs forms; no query takes longer than `limit_s`."""

    name: str
    dataset: str
    index: str
    queue: str
    secret: str
    limits: Limits = field(default_factory=Limits)
    limit_s: float = 10.0


class Asked(BaseModel):
    """Requests as `pipeline.erase` reads them, and an address for the answer, if wanted."""

    requests: list[dict[str, str]]
    contact: str = ""


def make_app(settings: Settings, encoders: Mapping[str, Encoder], processes: Processes) -> FastAPI:
    """The application. Nothing is opened before the first request."""
    app = FastAPI(title=f"Search of {settings.name}", docs_url=None, redoc_url=None)
    guard = Guard(settings.limits, TimestampSigner(settings.secret))
    page = Page(settings, encoders, processes, Opened(settings.dataset, settings.index), guard, make_templates())
    app.mount("/static", StaticFiles(directory=str(Path(str(files("explore"))) / "static")))
    app.middleware("http")(_said_and_safe)
    app.exception_handler(Refused)(page.refused)
    app.exception_handler(Exception)(page.failed)
    for path, answer in (("/", page.search), ("/receipt", page.receipt)):
        app.get(path, response_class=HTMLResponse, include_in_schema=False)(answer)
    for path, answer in (("/picture", page.picture), ("/ask", page.ask), ("/send", page.send)):
        app.post(path, response_class=HTMLResponse, include_in_schema=False)(answer)
    app.get("/healthz", response_class=PlainTextResponse, include_in_schema=False)(page.health)
    app.get("/api/search", responses=REFUSALS)(page.api_search)
    app.get("/api/requests/{receipt}", responses={404: {"description": "no such receipt"}, **REFUSALS})(page.api_request)
    app.post("/api/requests", status_code=201, responses={400: {"description": "malformed"}, **REFUSALS})(page.api_ask)
    return app


REFUSALS: dict[int | str, dict[str, Any]] = {
    403: {"description": "sent by another site"},
    429: {"description": "too many requests"},
    503: {"description": "the index is being brought up to date, or the query took too long"},
}


async def _said_and_safe(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Headers on every answer; a line in the log that says nothing of what was looked for, nor who did."""
    started = time.perf_counter()
    response = await call_next(request)
    for name, value in headers(request.query_params.get("pics") == "1").items():
        response.headers.setdefault(name, value)
    LOGGER.info("%s %s %d %.0f ms", request.method, _route(request), response.status_code, 1000 * (time.perf_counter() - started))
    return response


def _route(request: Request) -> str:
    """The path as it was declared: a receipt is in the path of one."""
    route = request.scope.get("route")
    return str(getattr(route, "path", "(none)"))


@dataclass(frozen=True)
class Page:
    """The routes."""

    settings: Settings
    encoders: Mapping[str, Encoder]
    processes: Processes
    opened: Opened
    guard: Guard
    templates: Environment

    async def search(self, request: Request) -> Response:
        """Words, an address, or meaning; without any of them the whole dataset."""
        self.guard.count(request, "searches")
        wanted, asked = wanted_of(request.query_params.multi_items()), request.query_params
        meaning = bool(asked.get("meaning")) and bool(wanted.words.strip())
        found = await self._timed(lambda: self._found(wanted, meaning))
        return self._results(request, wanted, found)

    async def picture(self, request: Request) -> Response:
        """An example picture: it is decoded in a process of its own, and kept nowhere."""
        self.guard.count(request, "pictures")
        form = await read_form(request, MAX_EXAMPLE_BYTES)
        self.guard.check_form(request, form.one("token"))
        example, pixels = await self._example(form.files.get("picture", b""))
        vectors_of = self._vectors_of(pixels) if self.encoders else None
        wanted = Wanted(per_page=100)
        found = await self._timed(lambda: self.opened.search().by_picture(wanted, example, vectors_of))
        pdq = [bits.hex() for bits in example.pdq[:1]]
        asked = {"sha256": example.sha256, **({"pdq": pdq[0]} if pdq else {})}
        return self._results(request, wanted, found, example=json.dumps(asked))

    async def ask(self, request: Request) -> Response:
        """The form by which something is asked to be taken out."""
        self.guard.count(request, "searches")
        form = await read_form(request)
        pictures = form.fields.get("picture", [])
        return self._render(
            request, "ask.html.j2", pictures=pictures, page=form.one("page"), domain=form.one("domain"), token=self.guard.token()
        )

    async def send(self, request: Request) -> Response:
        """Put a request into the queue."""
        self.guard.count(request, "requests")
        form = await read_form(request)
        self.guard.check_form(request, form.one("token"))
        try:
            receipt = await asyncio.to_thread(ask, self.settings.queue, requests_of(form), form.one("contact"))
        except ValueError:
            raise Refused(400, "malformed") from None
        return self._render(request, "sent.html.j2", receipt=receipt)

    async def receipt(self, request: Request) -> Response:
        """What became of a request."""
        self.guard.count(request, "searches")
        texts = self._texts(request)
        try:
            found = await asyncio.to_thread(look_up, self.settings.queue, request.query_params.get("receipt", "").strip())
        except NoSuchRequest:
            return self._render(request, "said.html.j2", 404, said=texts("no_receipt"))
        return self._render(
            request, "said.html.j2", said=texts(f"state_{found.state}", found.version if found.state == "applied" else found.reason)
        )

    async def health(self) -> str:
        """For whoever watches over the server."""
        self.opened.search()
        return "ok\n"

    async def api_search(
        self,
        request: Request,
        words: Annotated[str, Query(max_length=MOST_LETTERS)] = "",
        image_url: Annotated[str, Query(max_length=MOST_LETTERS)] = "",
        page_url: Annotated[str, Query(max_length=MOST_LETTERS)] = "",
        domain: str = "",
        licence: str = "",
        subset: str = "",
        language: str = "",
        tag: str = "",
        sort: Sort = "best",
        page: Annotated[int, Query(ge=1, le=500)] = 1,
    ) -> dict[str, Any]:
        """The same search, as JSON."""
        self.guard.count(request, "searches")
        exact = {"host": domain, "licence": licence, "subset": subset, "language": language, "tag": tag}
        wanted = Wanted(words, image_url, page_url, {name: [value] for name, value in exact.items() if value}, sort, page, PER_PAGE)
        found = await self._timed(lambda: self.opened.search().by_words(wanted))
        return {"total": found.total, "facets": found.facets, "hits": [{"score": hit.score, **hit.row} for hit in found.hits]}

    async def api_request(self, request: Request, receipt: str) -> Response:
        """What became of a request."""
        self.guard.count(request, "searches")
        try:
            found = await asyncio.to_thread(look_up, self.settings.queue, receipt)
        except NoSuchRequest:
            return JSONResponse({"detail": "no such receipt"}, 404)
        return JSONResponse({"state": found.state, "version": found.version, "reason": found.reason})

    async def api_ask(self, request: Request, asked: Asked) -> dict[str, str]:
        """Put requests into the queue; gives a receipt."""
        self.guard.count(request, "requests")
        check_site(request)
        try:
            return {"receipt": await asyncio.to_thread(ask, self.settings.queue, asked.requests, asked.contact)}
        except ValueError:
            raise Refused(400, "malformed") from None

    async def refused(self, request: Request, error: Exception) -> Response:
        """Why a request is not answered."""
        assert isinstance(error, Refused)
        said = self._texts(request)(error.text, *error.values)
        if request.url.path.startswith(("/api/", "/healthz")):
            return JSONResponse({"detail": said}, error.status)
        return self._render(request, "said.html.j2", error.status, said=said)

    async def failed(self, request: Request, error: Exception) -> Response:
        """What nobody expected: its class goes to the log, nothing to the visitor."""
        LOGGER.error("%s %s: %s", request.method, _route(request), type(error).__name__)
        return self._render(request, "said.html.j2", 500, said=self._texts(request)("wrong"))

    def _found(self, wanted: Wanted, meaning: bool) -> Found:
        search = self.opened.search()
        if meaning:
            if not self.encoders or not search.indexed.spaces:
                raise Refused(400, "no_meaning")
            return search.by_meaning(
                Wanted(exact=wanted.exact, page=wanted.page, per_page=PER_PAGE), lambda space: self.encoders[space].texts([wanted.words])[0]
            )
        found = search.by_words(wanted)
        if not found.total and wanted.image_url:  # it may be a page's
            return search.by_words(Wanted(page_url=wanted.image_url, exact=wanted.exact, page=wanted.page, per_page=PER_PAGE))
        return found

    async def _timed(self, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.wait_for(asyncio.to_thread(work), self.settings.limit_s)
        except TimeoutError:
            raise Refused(503, "slow") from None

    async def _example(self, content: bytes) -> tuple[Example, tuple[Pixels, ...]]:
        if len(content) > MAX_EXAMPLE_BYTES:
            raise Refused(413, "too_large")
        squares = [encoder.square for encoder in self.encoders.values()]
        found = await self._timed(lambda: self.processes.result(self.processes.submit(read_example, content, squares)))
        if isinstance(found, Crashed):
            raise Refused(400, "no_picture", "decoder_crashed")
        if not isinstance(found, tuple):
            raise Refused(400, "no_picture", found.reason)
        return found

    def _vectors_of(self, pixels: Sequence[Pixels]) -> VectorsOf:
        by_space = dict(zip(self.encoders, pixels, strict=True))
        return lambda space: self.encoders[space].pictures([by_space[space]])[0]

    def _results(self, request: Request, wanted: Wanted, found: Found, example: str = "") -> Response:
        return self._render(
            request,
            "results.html.j2",
            wanted=wanted,
            found=found,
            cards=[card(hit) for hit in found.hits],
            pages=-(-found.total // wanted.per_page),
            example=example,
            token=self.guard.token(),
            pics=request.query_params.get("pics") == "1",
            has_meaning=bool(self.encoders),
            meaning=bool(request.query_params.get("meaning")),
            link=_linker(request),
        )

    def _texts(self, request: Request) -> Texts:
        return texts_for(request.query_params.get("lang", ""), request.headers.get("accept-language", ""))

    def _render(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        texts = self._texts(request)
        page = self.templates.get_template(template).render(t=texts, name=self.settings.name, languages=LANGUAGES, **values)
        return HTMLResponse(page, status, headers={"Content-Language": texts.language, "Vary": "Accept-Language"})


def make_templates() -> Environment:
    """Whatever they are given is text."""
    made = Environment(loader=PackageLoader("explore"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.filters["translated"] = lambda name, texts: texts(name)
    made.filters["picture_json"] = lambda asked: json.dumps({kind: asked[kind] for kind in PICTURE_KINDS if kind in asked})
    return made


def wanted_of(items: Sequence[tuple[str, str]]) -> Wanted:
    """What the page's form asks for; an address in the field for words is an address."""
    given: dict[str, list[str]] = {}
    for name, value in items:
        given.setdefault(name, []).append(value[:MOST_LETTERS])
    words = given.get("q", [""])[0].strip()
    is_url = words.startswith(("http://", "https://")) and " " not in words
    exact = {name: given[name] for name in EXACT_FILTERS if name in given}
    sort: Sort = "similarity" if given.get("sort") == ["similarity"] else "best"
    number = given.get("p", ["1"])[0]
    page = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 1
    return Wanted("" if is_url else words, words if is_url else "", "", exact, sort, max(1, page), PER_PAGE)


def requests_of(form: Form) -> list[dict[str, str]]:
    """What the form asks to have taken out. Raises ValueError where that cannot be read."""
    what = form.one("what")
    if what == "page":
        return [{"page_url": form.one("page")}]
    if what == "domain":
        return [{"domain": form.one("domain")}]
    pictures = [json.loads(one) for one in form.fields.get("picture", ())]
    if not all(isinstance(one, dict) for one in pictures):
        raise ValueError("no picture")
    return [{kind: str(value)} for one in pictures for kind, value in one.items() if kind in PICTURE_KINDS]


def _linker(request: Request) -> Callable[..., str]:
    def link(**changes: str) -> str:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name not in changes]
        return "/?" + urlencode([*kept, *((name, value) for name, value in changes.items() if value)])

    return link

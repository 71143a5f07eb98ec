"""The search page and its JSON: every answer comes from pairsieve/search/find.py, every request
goes into pairsieve/erasure/queue.py.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from os import cpu_count
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
from pydantic import BaseModel, Field, TypeAdapter

from pairsieve.erasure.queue import (
    MAX_CONTACT_CHARS,
    MAX_REQUESTS,
    BoundedQueue,
    NoSuchRequest,
    QueuedRequest,
    QueueFull,
    Quota,
    UnreadableRequest,
    look_up,
)
from pairsieve.erasure.requests import MAX_EXAMPLE_BYTES, MAX_VALUE_CHARS
from pairsieve.explore.cards import card
from pairsieve.explore.gate import Gate, Rule, address_of, route_of
from pairsieve.explore.guard import FORM_BYTES, Form, Signer, check_site, read_form
from pairsieve.explore.limits import Counts, Limits
from pairsieve.explore.line import Line
from pairsieve.explore.networks import LOOPBACK_NAMES, network_of
from pairsieve.explore.opened import Opened
from pairsieve.explore.refused import Refused
from pairsieve.explore.texts import LANGUAGES, Texts, texts_for
from pairsieve.explore.upload import upload_of
from pairsieve.images.prepare import Pixels, Square
from pairsieve.images.processes import Processes
from pairsieve.search.find import EXACT_FILTERS, Results, Sort, VectorsOf
from pairsieve.search.find import Query as Wanted
from pairsieve.web.shown import plain

LOGGER = logging.getLogger(__name__)
Result = TypeVar("Result")
PER_PAGE, PER_PAGE_OF_PICTURES = 24, 100
# letters of a value by which results are narrowed down: a host has no more (RFC 1035, 2.3.4)
MOST_VALUE = 255
# a picture is taken out by its address and by its hashes, wherever it is
PICTURE_KINDS = ("image_url", "sha256", "pdq")
UPLOAD_S = 60.0  # to send 20 MB
PICTURE_S = 10.0  # a picture of 50 million pixels is decoded and hashed in some 2 s
QUEUE_S = 10.0  # to write a small file, or to count what waits
MARGIN_S = 10.0  # to start a process for pictures
FORM = Rule("searches")
ASKS = Rule("requests")
RULES: Mapping[tuple[str, str], Rule] = {
    ("POST", "/picture"): Rule("pictures", MAX_EXAMPLE_BYTES + FORM_BYTES, UPLOAD_S, "too_large"),
    ("POST", "/send"): ASKS,
    ("POST", "/api/requests"): ASKS,
    ("GET", "/healthz"): Rule("others"),
}
AS_TEXT = TypeAdapter(dict[str, str])


class Encoder(Protocol):
    """What makes vectors: pairsieve/clip/encoder.py."""

    @property
    def square(self) -> Square: ...

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) unit vectors."""

    def pictures(self, pixels: Sequence[Pixels]) -> NDArray[np.float32]:
        """(n, d) unit vectors."""


@dataclass(frozen=True)
class Settings:
    """`queue`: the private folder where requests wait, as many as `quota` lets in; `secret` signs
    forms; no query takes longer than `limit_s`; `picture_s`: after how long `processes` end what
    reads a picture; the page answers under the names in `hosts`.
    """

    name: str
    dataset: str
    index: str
    queue: str
    secret: str
    limits: Limits = field(default_factory=Limits)
    limit_s: float = 10.0
    picture_s: float = PICTURE_S
    quota: Quota = field(default_factory=Quota)
    hosts: frozenset[str] = LOOPBACK_NAMES


@dataclass(frozen=True)
class Lines:
    """Threads of searches, of pictures and of files: none of them waits for another. What is found
    is rendered there, too.
    """

    searches: Line = field(
        default_factory=lambda: Line("searches", max(4, 2 * (cpu_count() or 1)), 500, 10)
    )
    pictures: Line = field(default_factory=lambda: Line("pictures", 1, 4, 2))
    files: Line = field(default_factory=lambda: Line("files", 2, 500, 10))


class Asked(BaseModel):
    """Requests as `pairsieve erase` reads them, and an address for the answer, if wanted."""

    requests: list[dict[str, str]] = Field(min_length=1, max_length=MAX_REQUESTS)
    contact: str = Field("", max_length=MAX_CONTACT_CHARS)


def make_app(settings: Settings, encoders: Mapping[str, Encoder], processes: Processes) -> Gate:
    """The application.

    Nothing is opened before the first request; `processes` are for this application alone.
    """
    app, lines = FastAPI(title=f"Search of {settings.name}", docs_url=None, redoc_url=None), Lines()
    opened, room = (
        Opened(settings.dataset, settings.index),
        BoundedQueue(settings.queue, settings.quota),
    )
    page = Page(
        settings,
        encoders,
        processes,
        opened,
        room,
        Signer(TimestampSigner(settings.secret)),
        make_templates(),
        lines,
    )
    app.mount(
        "/static", StaticFiles(directory=str(Path(str(files("pairsieve.explore"))) / "static"))
    )
    app.exception_handler(Refused)(page.refused)
    app.exception_handler(Exception)(page.failed)
    for path, answer in (("/", page.search), ("/receipt", page.receipt)):
        app.get(path, response_class=HTMLResponse, include_in_schema=False)(answer)
    for path, answer in (("/picture", page.picture), ("/ask", page.ask), ("/send", page.send)):
        app.post(path, response_class=HTMLResponse, include_in_schema=False)(answer)
    app.get("/healthz", response_class=PlainTextResponse, include_in_schema=False)(page.health)
    app.get("/api/search", responses=REFUSALS)(page.api_search)
    app.get(
        "/api/requests/{receipt}", responses={404: {"description": "no such receipt"}, **REFUSALS}
    )(page.api_request)
    app.post("/api/requests", status_code=201, responses=REFUSALS, openapi_extra=ASKED)(
        page.api_ask
    )
    return Gate(
        app,
        rule_of,
        settings.hosts,
        Counts(settings.limits),
        page.refused,
        (lines.searches, lines.pictures, lines.files),
    )


def rule_of(method: str, path: str) -> Rule:
    """What a request counts as, and what its body may take."""
    return RULES.get((method, path), Rule("others") if path.startswith("/static/") else FORM)


ASKED = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Asked.model_json_schema()}},
    }
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    403: {"description": "sent by another site"},
    429: {"description": "too many requests"},
    400: {"description": "too many parameters, or a name under which the page does not answer"},
    408: {"description": "the body did not come in time"},
    413: {"description": "the body is too large"},
    414: {"description": "the URL is too long"},
    503: {
        "description": "busy, full, or the index is being brought up to date; "
        "Retry-After says when to try again"
    },
}


@dataclass(frozen=True)
class Page:
    """The routes."""

    settings: Settings
    encoders: Mapping[str, Encoder]
    processes: Processes
    opened: Opened
    room: BoundedQueue
    signer: Signer
    templates: Environment
    lines: Lines

    async def search(self, request: Request) -> Response:
        """Words, an address, or meaning; without any of them the whole dataset."""
        wanted, asked = wanted_of(request.query_params.multi_items()), request.query_params
        meaning = bool(asked.get("meaning")) and bool(wanted.words.strip())
        return await self._searched(
            request, lambda: self._results(request, wanted, self._found(wanted, meaning))
        )

    async def picture(self, request: Request) -> Response:
        """An example picture: it is read in a process of its own, and kept nowhere."""
        check_site(request)
        body, kind = await request.body(), request.headers.get("content-type", "")
        if not kind.startswith("multipart/"):
            raise Refused(400, "malformed")
        limit_s = self.settings.picture_s + self.settings.limit_s + MARGIN_S
        wanted = Wanted(per_page=PER_PAGE_OF_PICTURES)
        work = partial(self._like, request, body, kind, wanted)
        return await self.lines.pictures.run(work, limit_s, _network(request))

    async def ask(self, request: Request) -> Response:
        """The form by which something is asked to be taken out."""
        check_site(request)
        form = await read_form(request)
        pictures = form.fields.get("picture", [])
        return self._render(
            request,
            "ask.html.j2",
            pictures=pictures,
            page=form.one("page"),
            domain=form.one("domain"),
            token=self.signer.token(),
        )

    async def send(self, request: Request) -> Response:
        """Put a request into the queue."""
        check_site(request)
        form = await read_form(request)
        self.signer.check_token(form.one("token"))
        try:
            asked = requests_of(form)
        except ValueError:
            raise Refused(400, "malformed") from None
        receipt = await self._asked(request, asked, form.one("contact"))
        return self._render(request, "sent.html.j2", receipt=receipt)

    async def receipt(self, request: Request) -> Response:
        """What became of a request."""
        texts = self._texts(request)
        try:
            found = await self._looked_up(request, request.query_params.get("receipt", "").strip())
        except NoSuchRequest:
            return self._render(request, "said.html.j2", 404, said=texts("no_receipt"))
        said = texts(
            f"state_{found.state}",
            found.version if found.state == "applied" else plain(found.reason),
        )
        return self._render(request, "said.html.j2", said=said)

    async def health(self, request: Request) -> str:
        """For whoever watches over the server."""
        await self._searched(request, self.opened.search)
        return "ok\n"

    async def api_search(
        self,
        request: Request,
        words: Annotated[str, Query(max_length=MAX_VALUE_CHARS)] = "",
        image_url: Annotated[str, Query(max_length=MAX_VALUE_CHARS)] = "",
        page_url: Annotated[str, Query(max_length=MAX_VALUE_CHARS)] = "",
        domain: Annotated[str, Query(max_length=MOST_VALUE)] = "",
        licence: Annotated[str, Query(max_length=MOST_VALUE)] = "",
        subset: Annotated[str, Query(max_length=MOST_VALUE)] = "",
        language: Annotated[str, Query(max_length=MOST_VALUE)] = "",
        tag: Annotated[str, Query(max_length=MOST_VALUE)] = "",
        sort: Sort = "best",
        page: Annotated[int, Query(ge=1, le=500)] = 1,
    ) -> dict[str, Any]:
        """The same search, as JSON."""
        exact = {
            "host": domain,
            "licence": licence,
            "subset": subset,
            "language": language,
            "tag": tag,
        }
        wanted = Wanted(
            words,
            image_url,
            page_url,
            {name: [value] for name, value in exact.items() if value},
            sort,
            page,
            PER_PAGE,
        )
        found = await self._searched(request, lambda: self.opened.search().by_words(wanted))
        return {
            "total": found.total,
            "facets": found.facets,
            "hits": [{"score": hit.score, **hit.row} for hit in found.hits],
        }

    async def api_request(self, request: Request, receipt: str) -> Response:
        """What became of a request."""
        try:
            found = await self._looked_up(request, receipt)
        except NoSuchRequest:
            return JSONResponse({"detail": "no such receipt"}, 404)
        return JSONResponse(
            {"state": found.state, "version": found.version, "reason": found.reason}
        )

    async def api_ask(self, request: Request) -> dict[str, str]:
        """Put requests into the queue; gives a receipt."""
        check_site(request)
        try:
            asked = Asked.model_validate_json(await request.body())
        except ValueError:
            raise Refused(400, "malformed") from None
        return {"receipt": await self._asked(request, asked.requests, asked.contact)}

    async def refused(self, request: Request, error: Exception) -> Response:
        """Why a request is not answered."""
        assert isinstance(error, Refused)
        said = self._texts(request)(error.text, *error.values)
        if request.url.path.startswith(("/api/", "/healthz")):
            response: Response = JSONResponse({"detail": said}, error.status)
        else:
            response = self._render(request, "said.html.j2", error.status, said=said)
        if error.retry_s:
            response.headers["Retry-After"] = str(error.retry_s)
        return response

    async def failed(self, request: Request, error: Exception) -> Response:
        """What nobody expected: its class goes to the log, nothing to the visitor."""
        LOGGER.error("%s %s: %s", request.method, route_of(request), type(error).__name__)
        return self._render(request, "said.html.j2", 500, said=self._texts(request)("wrong"))

    def _found(self, wanted: Wanted, meaning: bool) -> Results:
        search = self.opened.search()
        if meaning:
            if not self.encoders or not search.contents.spaces:
                raise Refused(400, "no_meaning")
            return search.by_meaning(
                Wanted(exact=wanted.exact, page=wanted.page, per_page=PER_PAGE),
                lambda space: self.encoders[space].texts([wanted.words])[0],
            )
        found = search.by_words(wanted)
        if not found.total and wanted.image_url:  # it may be a page's
            return search.by_words(
                Wanted(
                    page_url=wanted.image_url,
                    exact=wanted.exact,
                    page=wanted.page,
                    per_page=PER_PAGE,
                )
            )
        return found

    async def _searched(self, request: Request, work: Callable[[], Result]) -> Result:
        return await self.lines.searches.run(work, self.settings.limit_s, _network(request))

    def _like(self, request: Request, body: bytes, kind: str, wanted: Wanted) -> Response:
        """What an upload finds. Raises Refused."""
        squares = [encoder.square for encoder in self.encoders.values()]
        upload = upload_of(self.processes, body, kind, squares)
        self.signer.check_token(upload.token)
        vectors_of = self._vectors_of(upload.pixels) if self.encoders else None
        pdq = [bits.hex() for bits in upload.example.pdq[:1]]
        found = self.opened.search().by_picture(wanted, upload.example, vectors_of)
        asked = {"sha256": upload.example.sha256, **({"pdq": pdq[0]} if pdq else {})}
        return self._results(request, wanted, found, example=json.dumps(asked))

    async def _asked(
        self, request: Request, requests: Sequence[Mapping[str, str]], contact: str
    ) -> str:
        """Put requests into the queue; their receipt. Raises Refused."""
        try:
            return await self.lines.files.run(
                partial(self.room.ask, requests, contact), QUEUE_S, _network(request)
            )
        except ValueError:
            raise Refused(400, "malformed") from None
        except QueueFull:
            raise Refused(503, "queue_full", retry_s=3600) from None

    async def _looked_up(self, request: Request, receipt: str) -> QueuedRequest:
        """Raises NoSuchRequest, Refused."""
        try:
            return await self.lines.files.run(
                partial(look_up, self.settings.queue, receipt), QUEUE_S, _network(request)
            )
        except UnreadableRequest:
            raise Refused(503, "unreadable") from None

    def _vectors_of(self, pixels: Sequence[Pixels]) -> VectorsOf:
        by_space = dict(zip(self.encoders, pixels, strict=True))
        return lambda space: self.encoders[space].pictures([by_space[space]])[0]

    def _results(
        self, request: Request, wanted: Wanted, found: Results, example: str = ""
    ) -> Response:
        return self._render(
            request,
            "results.html.j2",
            wanted=wanted,
            found=found,
            cards=[card(hit) for hit in found.hits],
            pages=-(-found.total // wanted.per_page),
            example=example,
            token=self.signer.token(),
            pics=request.query_params.get("pics") == "1",
            has_meaning=bool(self.encoders),
            meaning=bool(request.query_params.get("meaning")),
            link=_linker(request),
        )

    def _texts(self, request: Request) -> Texts:
        return texts_for(
            request.query_params.get("lang", ""), request.headers.get("accept-language", "")
        )

    def _render(
        self, request: Request, template: str, status: int = 200, **values: Any
    ) -> Response:
        texts = self._texts(request)
        page = self.templates.get_template(template).render(
            t=texts, name=self.settings.name, languages=LANGUAGES, **values
        )
        return HTMLResponse(
            page, status, headers={"Content-Language": texts.language, "Vary": "Accept-Language"}
        )


def make_templates() -> Environment:
    """Whatever they are given is text."""
    made = Environment(
        loader=PackageLoader("pairsieve.explore"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["translated"] = lambda name, texts: texts(name)
    made.filters["plain"] = plain
    made.filters["picture_json"] = lambda asked: json.dumps(
        {kind: asked[kind] for kind in PICTURE_KINDS if kind in asked}
    )
    return made


def wanted_of(items: Sequence[tuple[str, str]]) -> Wanted:
    """What the page's form asks for; an address in the field for words is an address."""
    given: dict[str, list[str]] = {}
    for name, value in items:
        given.setdefault(name, []).append(value[: MAX_VALUE_CHARS if name == "q" else MOST_VALUE])
    words = given.get("q", [""])[0].strip()
    is_url = words.startswith(("http://", "https://")) and " " not in words
    exact = {name: given[name] for name in EXACT_FILTERS if name in given}
    sort: Sort = "similarity" if given.get("sort") == ["similarity"] else "best"
    number = given.get("p", ["1"])[0]
    page = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 1
    return Wanted(
        "" if is_url else words, words if is_url else "", "", exact, sort, max(1, page), PER_PAGE
    )


def requests_of(form: Form) -> list[dict[str, str]]:
    """What the form asks to have taken out. Raises ValueError where that cannot be read."""
    what = form.one("what")
    if what == "page":
        return [{"page_url": form.one("page")}]
    if what == "domain":
        return [{"domain": form.one("domain")}]
    pictures = [AS_TEXT.validate_json(one) for one in form.fields.get("picture", ())]
    return [
        {kind: value} for one in pictures for kind, value in one.items() if kind in PICTURE_KINDS
    ]


def _network(request: Request) -> str:
    return network_of(address_of(request))


def _linker(request: Request) -> Callable[..., str]:
    def link(**changes: str) -> str:
        kept = [
            (name, value)
            for name, value in request.query_params.multi_items()
            if name not in changes
        ]
        return "/?" + urlencode(
            [*kept, *((name, value) for name, value in changes.items() if value)]
        )

    return link

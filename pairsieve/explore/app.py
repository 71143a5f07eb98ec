"""Put the search page together: its routes, the gate before them, and what the gate allows."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from itsdangerous import TimestampSigner
from jinja2 import Environment

from pairsieve.erasure.queue import BoundedQueue
from pairsieve.erasure.requests import MAX_EXAMPLE_BYTES
from pairsieve.explore.current_index import CurrentIndex
from pairsieve.explore.forms import SubmittedRequests
from pairsieve.explore.gate import Gate, RequestRule
from pairsieve.explore.guard import FORM_BYTES, Signer
from pairsieve.explore.limits import RateLimiter
from pairsieve.explore.page import SearchPage, WorkQueues
from pairsieve.explore.previews import Previews, ReadPreview
from pairsieve.explore.publisher import PATH, PublisherPage, RowCounter
from pairsieve.explore.refused import Refused
from pairsieve.explore.rendering import make_templates
from pairsieve.explore.settings import Encoder, Publisher, Settings
from pairsieve.images.processes import Processes

PREVIEW = "/preview"
UPLOAD_S = 60.0  # to send 20 MB
SEARCH_RULE = RequestRule("searches")
ERASURE_RULE = RequestRule("requests")
OTHER_RULE = RequestRule("others")
PICTURE_RULE = RequestRule("pictures", MAX_EXAMPLE_BYTES + FORM_BYTES, UPLOAD_S, "too_large")
RULES: Mapping[tuple[str, str], RequestRule] = {
    ("POST", "/picture"): PICTURE_RULE,
    ("POST", "/send"): ERASURE_RULE,
    ("POST", "/api/requests"): ERASURE_RULE,
    ("GET", "/healthz"): OTHER_RULE,
    ("GET", PREVIEW): RequestRule("previews"),
}
"""Routes that do not count as searches."""
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
"""For the description of the JSON interface."""


def make_app(
    settings: Settings,
    encoders: Mapping[str, Encoder],
    processes: Processes,
    publisher: Publisher | None = None,
    read_preview: ReadPreview | None = None,
) -> Gate:
    """Return the application.

    Without a `publisher` it has no /admin. With `read_preview` it shows previews, and no picture is
    loaded from another host.

    It opens nothing before the first request. `processes` are for this application alone.
    """
    queues = WorkQueues()
    templates = make_templates()
    previews = None
    if read_preview is not None:
        signer = TimestampSigner(settings.secret, salt=b"previews")
        previews = Previews(read_preview, signer)
    page = SearchPage(
        settings,
        encoders,
        processes,
        CurrentIndex(settings.dataset, settings.index),
        BoundedQueue(settings.queue, settings.quota),
        Signer(TimestampSigner(settings.secret)),
        templates,
        queues,
        previews,
    )
    app = _app_of(page)
    work = [queues.searches, queues.pictures, queues.files]
    hosts = settings.hosts
    if previews is not None:
        app.get(PREVIEW, include_in_schema=False)(page.preview)
        work.append(previews.work)
    if publisher is not None:
        admin = _publisher_page(settings, publisher, templates)
        _add_publisher(app, admin)
        work += [admin.work, admin.reading]
        hosts |= publisher.hosts
    return Gate(
        app,
        rule_of,
        hosts,
        RateLimiter(settings.limits),
        page.refused,
        tuple(work),
        loads_remote=previews is None,
    )


def _publisher_page(
    settings: Settings, publisher: Publisher, templates: Environment
) -> PublisherPage:
    return PublisherPage(
        settings.name,
        settings.dataset,
        settings.queue,
        publisher,
        RowCounter(settings.dataset, publisher.count_rows),
        # Salts of their own: a token of the search page must not be one of these.
        forms=Signer(TimestampSigner(settings.secret, salt=b"publisher's forms")),
        sessions=Signer(TimestampSigner(settings.secret, salt=b"publisher's sessions")),
        templates=templates,
    )


def _add_publisher(app: FastAPI, page: PublisherPage) -> None:
    """Add the routes of the publisher's side."""
    app.get(PATH, response_class=HTMLResponse, include_in_schema=False)(page.show)
    for name, answer in (
        ("login", page.log_in),
        ("logout", page.log_out),
        ("copies", page.copies),
        ("approve", page.approve),
        ("refuse", page.refuse),
    ):
        app.post(f"{PATH}/{name}", response_class=HTMLResponse, include_in_schema=False)(answer)


def _app_of(page: SearchPage) -> FastAPI:
    """An application with the search page, as HTML and as JSON."""
    # The documentation pages load scripts from other hosts.
    app = FastAPI(title=f"Search of {page.settings.name}", docs_url=None, redoc_url=None)
    static = Path(str(files("pairsieve.explore"))) / "static"
    app.mount("/static", StaticFiles(directory=str(static)))
    app.exception_handler(Refused)(page.refused)
    app.exception_handler(Exception)(page.failed)
    _add_page(app, page)
    _add_json(app, page)
    return app


def _add_page(app: FastAPI, page: SearchPage) -> None:
    """Add the routes that people use."""
    shown = {"/": page.search, "/receipt": page.receipt}
    for path, answer in shown.items():
        app.get(path, response_class=HTMLResponse, include_in_schema=False)(answer)
    sent = {"/picture": page.picture, "/ask": page.ask, "/send": page.send}
    for path, answer in sent.items():
        app.post(path, response_class=HTMLResponse, include_in_schema=False)(answer)
    app.get("/healthz", response_class=PlainTextResponse, include_in_schema=False)(page.health)


def _add_json(app: FastAPI, page: SearchPage) -> None:
    """Add the routes that programs use."""
    body_schema = {"application/json": {"schema": SubmittedRequests.model_json_schema()}}
    # The page parses the body itself, so FastAPI has to be told what it holds.
    body = {"requestBody": {"required": True, "content": body_schema}}
    app.get("/api/search", responses=REFUSALS)(page.api_search)
    receipt_refusals = {404: {"description": "no such receipt"}, **REFUSALS}
    app.get("/api/requests/{receipt}", responses=receipt_refusals)(page.api_request)
    app.post("/api/requests", status_code=201, responses=REFUSALS, openapi_extra=body)(page.api_ask)


def rule_of(method: str, path: str) -> RequestRule:
    """Return the rule for requests to a route."""
    if (method, path) in RULES:
        return RULES[method, path]
    # One person who decides is no flood, whoever else shares the address of a proxy.
    is_other = path.startswith(("/static/", f"{PATH}/")) or path == PATH
    return OTHER_RULE if is_other else SEARCH_RULE

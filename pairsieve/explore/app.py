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

from pairsieve.erasure.queue import BoundedQueue
from pairsieve.erasure.requests import MAX_EXAMPLE_BYTES
from pairsieve.explore.current_index import CurrentIndex
from pairsieve.explore.forms import SubmittedRequests
from pairsieve.explore.gate import Gate, RequestRule
from pairsieve.explore.guard import FORM_BYTES, Signer
from pairsieve.explore.limits import RateLimiter
from pairsieve.explore.page import SearchPage, WorkQueues
from pairsieve.explore.refused import Refused
from pairsieve.explore.rendering import make_templates
from pairsieve.explore.settings import Encoder, Settings
from pairsieve.images.processes import Processes

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


def make_app(settings: Settings, encoders: Mapping[str, Encoder], processes: Processes) -> Gate:
    """Return the application.

    It opens nothing before the first request. `processes` are for this application alone.
    """
    queues = WorkQueues()
    page = SearchPage(
        settings,
        encoders,
        processes,
        CurrentIndex(settings.dataset, settings.index),
        BoundedQueue(settings.queue, settings.quota),
        Signer(TimestampSigner(settings.secret)),
        make_templates(),
        queues,
    )
    # The documentation pages load scripts from other hosts.
    app = FastAPI(title=f"Search of {settings.name}", docs_url=None, redoc_url=None)
    static = Path(str(files("pairsieve.explore"))) / "static"
    app.mount("/static", StaticFiles(directory=str(static)))
    app.exception_handler(Refused)(page.refused)
    app.exception_handler(Exception)(page.failed)
    _add_page(app, page)
    _add_json(app, page)
    return Gate(
        app,
        rule_of,
        settings.hosts,
        RateLimiter(settings.limits),
        page.refused,
        (queues.searches, queues.pictures, queues.files),
    )


def _add_page(app: FastAPI, page: SearchPage) -> None:
    """Add the routes that people use."""
    for path, answer in (("/", page.search), ("/receipt", page.receipt)):
        app.get(path, response_class=HTMLResponse, include_in_schema=False)(answer)
    for path, answer in (("/picture", page.picture), ("/ask", page.ask), ("/send", page.send)):
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
    return OTHER_RULE if path.startswith("/static/") else SEARCH_RULE

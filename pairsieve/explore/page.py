"""The routes of the search page and of its JSON interface.

Answers come from pairsieve/search/find.py, and requests go into pairsieve/erasure/queue.py.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from os import cpu_count
from typing import Annotated, Any, TypeVar

from fastapi import Query as Parameter
from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment

from pairsieve.erasure.queue import (
    BoundedQueue,
    NoSuchRequest,
    QueuedFields,
    QueuedRequest,
    QueueFull,
    UnreadableRequest,
    look_up,
)
from pairsieve.erasure.requests import MAX_VALUE_CHARS
from pairsieve.explore.cards import group_card
from pairsieve.explore.copies import group_copies
from pairsieve.explore.current_index import CurrentIndex
from pairsieve.explore.forms import (
    MAX_FILTER_CHARS,
    PER_PAGE,
    SubmittedRequests,
    query_of,
    requests_of,
    with_copies,
)
from pairsieve.explore.gate import address_of, route_of
from pairsieve.explore.guard import Signer, check_site, read_form
from pairsieve.explore.networks import network_of
from pairsieve.explore.previews import PREVIEW_S, Previews
from pairsieve.explore.refused import Refused
from pairsieve.explore.rendering import linker
from pairsieve.explore.settings import Encoder, Settings
from pairsieve.explore.texts import LANGUAGES, Texts, texts_for
from pairsieve.explore.upload import upload_of
from pairsieve.explore.work_queue import WorkQueue
from pairsieve.images.prepare import Pixels
from pairsieve.images.processes import Processes
from pairsieve.search.find import (
    MAX_PAGES,
    Query,
    Results,
    SameAddress,
    Sort,
    VectorsOf,
)
from pairsieve.web.places import NotAPlace
from pairsieve.web.shown import plain

LOGGER = logging.getLogger(__name__)
Result = TypeVar("Result")
PER_PAGE_OF_PICTURES = 100
QUEUE_S = 10.0  # to write a small file, or to count the queue
MARGIN_S = 10.0  # to start the process that reads a picture
FULL_RETRY_S = 3600  # somebody has to decide on requests first

TextParameter = Annotated[str, Parameter(max_length=MAX_VALUE_CHARS)]
FilterParameter = Annotated[str, Parameter(max_length=MAX_FILTER_CHARS)]
PageParameter = Annotated[int, Parameter(ge=1, le=MAX_PAGES)]


@dataclass(frozen=True)
class WorkQueues:
    """Threads for searches, pictures and files, so that none of them waits for another.

    They also render the answers.
    """

    searches: WorkQueue = field(
        default_factory=lambda: WorkQueue("searches", max(4, 2 * (cpu_count() or 1)), 500, 10)
    )
    # One thread: only one picture may be in the process at a time (pairsieve/explore/upload.py).
    pictures: WorkQueue = field(default_factory=lambda: WorkQueue("pictures", 1, 4, 2))
    files: WorkQueue = field(default_factory=lambda: WorkQueue("files", 2, 500, 10))


@dataclass(frozen=True)
class SearchPage:
    """The routes, and what they share."""

    settings: Settings
    encoders: Mapping[str, Encoder]
    processes: Processes
    index: CurrentIndex
    request_queue: BoundedQueue
    signer: Signer
    templates: Environment
    queues: WorkQueues
    previews: Previews | None = None

    async def search(self, request: Request) -> Response:
        """Search by words, an address or meaning; without any of them show the whole dataset."""
        query = query_of(request.query_params.multi_items())
        by_meaning = bool(request.query_params.get("meaning")) and bool(query.words.strip())
        return await self._run_search(request, partial(self._answer, request, query, by_meaning))

    async def picture(self, request: Request) -> Response:
        """Search by an example picture. A process of its own reads it; it is not stored."""
        check_site(request)
        body = await request.body()
        content_type = request.headers.get("content-type", "")
        if not content_type.startswith("multipart/"):
            raise Refused(400, "malformed")
        limit_s = self.settings.picture_s + self.settings.limit_s + MARGIN_S
        work = partial(self._answer_picture, request, body, content_type)
        return await self.queues.pictures.run(work, limit_s, _network(request))

    async def preview(self, request: Request) -> Response:
        """Show the small picture of a result, blurred unless it is asked for clear."""
        check_site(request)
        previews = self.previews
        url = previews.url_of(request.query_params.get("of", "")) if previews else ""
        if previews is None or not url:
            raise Refused(404, "stale")
        # The row may have been taken out since the page was made.
        query = Query(image_url=url, per_page=1)
        found = await self._run_search(request, partial(self._by_words, query))
        if not found.total:
            raise Refused(404, "nothing")
        work = partial(previews.get, url)
        preview = await previews.work.run(work, PREVIEW_S, _network(request))
        if preview is None:
            raise Refused(404, "no_picture", "not_fetched")
        is_clear = request.query_params.get("clear") == "1"
        return Response(preview.clear if is_clear else preview.blurred, media_type="image/jpeg")

    async def ask(self, request: Request) -> Response:
        """Show the form that asks for an erasure."""
        check_site(request)
        form = await read_form(request)
        if not form.fields:
            raise Refused(400, "nothing_picked")
        return self._render(
            request,
            "ask.html.j2",
            pictures=form.fields.get("picture", []),
            addresses=form.fields.get("address", []),
            page=form.first("page"),
            domain=form.first("domain"),
            token=self.signer.token(),
        )

    async def send(self, request: Request) -> Response:
        """Add the requests of a form to the queue."""
        check_site(request)
        form = await read_form(request)
        self.signer.check_token(form.first("token"))
        try:
            requests = requests_of(form)
        except ValueError:
            raise Refused(400, "malformed") from None
        receipt = await self._add_requests(request, requests, form.first("contact"))
        return self._render(request, "sent.html.j2", receipt=receipt)

    async def receipt(self, request: Request) -> Response:
        """Show what became of a request."""
        texts = self._texts(request)
        receipt = request.query_params.get("receipt", "").strip()
        try:
            queued = await self._look_up(request, receipt)
        except NoSuchRequest:
            return self._render_message(request, texts("no_receipt"), 404)
        # What a person wrote as the reason is shown as plain text.
        value = queued.version if queued.state == "applied" else plain(queued.reason)
        return self._render_message(request, texts(f"state_{queued.state}", value))

    async def health(self, request: Request) -> str:
        """Tell whoever monitors the server that it can search."""
        await self._run_search(request, self.index.search)
        return "ok\n"

    async def api_search(
        self,
        request: Request,
        words: TextParameter = "",
        image_url: TextParameter = "",
        page_url: TextParameter = "",
        domain: FilterParameter = "",
        licence: FilterParameter = "",
        subset: FilterParameter = "",
        language: FilterParameter = "",
        tag: FilterParameter = "",
        size: FilterParameter = "",
        sort: Sort = "best",
        page: PageParameter = 1,
    ) -> dict[str, Any]:
        """Search by words and addresses."""
        filters = {
            "host": domain,
            "licence": licence,
            "subset": subset,
            "language": language,
            "tag": tag,
            "size": size,
        }
        exact = {name: [value] for name, value in filters.items() if value}
        query = Query(words, image_url, page_url, exact, sort, page, PER_PAGE)
        searched_address = image_url or page_url
        results = await self._run_search(request, partial(self._by_words, query))
        find_addresses = partial(self._same_addresses, searched_address)
        addresses = await self._run_search(request, find_addresses)
        return {
            "total": results.total,
            "reason": results.reason,
            "facets": results.facets,
            "same_addresses": [
                {address.kind: address.url, "rows": address.rows} for address in addresses
            ],
            "hits": [{"score": hit.score, **hit.row} for hit in results.hits],
        }

    async def api_request(self, request: Request, receipt: str) -> Response:
        """Return what became of a request."""
        try:
            queued = await self._look_up(request, receipt)
        except NoSuchRequest:
            return JSONResponse({"detail": "no such receipt"}, 404)
        return JSONResponse(
            {"state": queued.state, "version": queued.version, "reason": queued.reason}
        )

    async def api_ask(self, request: Request) -> dict[str, str]:
        """Add requests to the queue; return a receipt."""
        check_site(request)
        try:
            submitted = SubmittedRequests.model_validate_json(await request.body())
        except ValueError:
            raise Refused(400, "malformed") from None
        receipt = await self._add_requests(request, submitted.requests, submitted.contact)
        return {"receipt": receipt}

    async def refused(self, request: Request, error: Exception) -> Response:
        """Tell the visitor why a request is refused."""
        assert isinstance(error, Refused)
        message = self._texts(request)(error.text, *error.values)
        if request.url.path.startswith(("/api/", "/healthz")):
            response: Response = JSONResponse({"detail": message}, error.status)
        else:
            response = self._render_message(request, message, error.status)
        if error.retry_s:
            response.headers["Retry-After"] = str(error.retry_s)
        return response

    async def failed(self, request: Request, error: Exception) -> Response:
        """Answer after an unexpected error.

        The log gets only its class and the visitor nothing: its message may hold a query.
        """
        LOGGER.error("%s %s: %s", request.method, route_of(request), type(error).__name__)
        return self._render_message(request, self._texts(request)("wrong"), 500)

    async def _run_search(self, request: Request, work: Callable[[], Result]) -> Result:
        try:
            return await self.queues.searches.run(work, self.settings.limit_s, _network(request))
        except NotAPlace:
            raise Refused(400, "no_place") from None

    def _answer(self, request: Request, query: Query, by_meaning: bool) -> Response:
        """Search, and render the results."""
        if by_meaning:
            return self._render_results(request, query, self._by_meaning(query))
        search = self.index.search()
        if not query.image_url:
            return self._render_results(request, query, search.by_words(query))
        results, kind = search.by_words(query), "image_url"
        if not results.total:
            # It may be the address of a page instead.
            as_page = replace(query, image_url="", page_url=query.image_url)
            results, kind = search.by_words(as_page), "page_url"
        addresses = search.same_addresses(query.image_url)
        if addresses and results.total:
            addresses = [SameAddress(kind, query.image_url, results.total), *addresses]
        return self._render_results(request, query, results, addresses=addresses)

    def _by_words(self, query: Query) -> Results:
        return self.index.search().by_words(query)

    def _same_addresses(self, address: str) -> list[SameAddress]:
        return self.index.search().same_addresses(address)

    def _by_meaning(self, query: Query) -> Results:
        """Search for the words as a model understands them. Raises Refused without models."""
        search = self.index.search()
        if not self.encoders or not search.contents.spaces:
            raise Refused(400, "no_meaning")
        filters = Query(exact=query.exact, page=query.page, per_page=PER_PAGE)
        return search.by_meaning(filters, lambda space: self.encoders[space].texts([query.words]))

    def _answer_picture(self, request: Request, body: bytes, content_type: str) -> Response:
        """Search for an uploaded picture, and render the results. Raises Refused."""
        squares = [encoder.square for encoder in self.encoders.values()]
        upload = upload_of(self.processes, body, content_type, squares)
        self.signer.check_token(upload.token)  # known only once the form was parsed
        query = Query(per_page=PER_PAGE_OF_PICTURES)
        vectors_of = self._vectors_of(upload.pixels) if self.encoders else None
        results = self.index.search().by_picture(query, upload.example, vectors_of)
        # The requests that take out the picture itself, for a field of the page's form.
        requests = {"sha256": upload.example.sha256}
        if upload.example.pdq:
            requests["pdq"] = upload.example.pdq[0].hex()
        return self._render_results(request, query, results, example=json.dumps(requests))

    def _vectors_of(self, pixels: Sequence[Sequence[Pixels]]) -> VectorsOf:
        """Return a function that returns the vectors of the picture's views by a model's name."""
        pixels_of = dict(zip(self.encoders, pixels, strict=True))
        return lambda space: self.encoders[space].pictures(pixels_of[space])

    async def _add_requests(
        self, request: Request, requests: Sequence[QueuedFields], contact: str
    ) -> str:
        """Add requests to the queue; return their receipt. Raises Refused."""
        work = partial(self.request_queue.ask, list(map(with_copies, requests)), contact)
        try:
            return await self.queues.files.run(work, QUEUE_S, _network(request))
        except NotAPlace:
            raise Refused(400, "no_place") from None
        except ValueError:
            raise Refused(400, "malformed") from None
        except QueueFull:
            raise Refused(503, "queue_full", retry_s=FULL_RETRY_S) from None

    async def _look_up(self, request: Request, receipt: str) -> QueuedRequest:
        """Return a request of the queue. Raises NoSuchRequest and Refused."""
        work = partial(look_up, self.settings.queue, receipt)
        try:
            return await self.queues.files.run(work, QUEUE_S, _network(request))
        except UnreadableRequest:
            raise Refused(503, "unreadable") from None

    def _texts(self, request: Request) -> Texts:
        chosen = request.query_params.get("lang", "")
        return texts_for(chosen, request.headers.get("accept-language", ""))

    def _render_results(
        self,
        request: Request,
        query: Query,
        results: Results,
        example: str = "",
        addresses: Sequence[SameAddress] = (),
    ) -> Response:
        """Render a page of results.

        `example` holds the requests about an example picture. `addresses` are offered as the same
        as the one that was searched for.
        """
        parameters = request.query_params
        preview_of = self.previews.token if self.previews else None
        return self._render(
            request,
            "results.html.j2",
            query=query,
            results=results,
            cards=[group_card(group) for group in group_copies(results.hits)],
            pages=-(-results.total // query.per_page),  # rounded up
            example=example,
            addresses=addresses,
            token=self.signer.token(),
            pics=parameters.get("pics") == "1",
            preview_of=preview_of,
            has_meaning=bool(self.encoders),
            meaning=bool(parameters.get("meaning")),
            link=linker(parameters),
        )

    def _render_message(self, request: Request, message: str, status: int = 200) -> Response:
        return self._render(request, "message.html.j2", status, message=message)

    def _render(
        self, request: Request, template: str, status: int = 200, **values: Any
    ) -> Response:
        """Render a template in the visitor's language."""
        texts = self._texts(request)
        html = self.templates.get_template(template).render(
            t=texts, name=self.settings.name, languages=LANGUAGES, **values
        )
        headers = {"Content-Language": texts.language, "Vary": "Accept-Language"}
        return HTMLResponse(html, status, headers=headers)


def _network(request: Request) -> str:
    return network_of(address_of(request))

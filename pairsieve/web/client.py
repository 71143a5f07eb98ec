"""Requests images politely: sites are asked first, and addresses, sizes and times are limited."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import aiohttp

from pairsieve.records.page import combined
from pairsieve.web.again import ask_again
from pairsieve.web.answer import Answer, FetchRequest, now_utc
from pairsieve.web.body import headers_of, whole_body
from pairsieve.web.client_settings import ClientSettings
from pairsieve.web.connector import guarded_connector
from pairsieve.web.rate_limit import Bandwidth, HostRateLimiter
from pairsieve.web.refusals import Busy, Refused
from pairsieve.web.requester import BUSY, Form, ReadAnswer, Requester, ShareOf, whole_share
from pairsieve.web.rsl import linked_licences
from pairsieve.web.site_reader import SiteReader
from pairsieve.web.sites import SiteTexts
from pairsieve.web.urls import origin_of

ACCEPT_IMAGES = "image/*"
# Of one header field: a value of 64 KB, which some servers send as a policy, and its name.
MAX_HEADER_BYTES = 65 * 1024
MAX_HEADERS = 1000

Result = TypeVar("Result")


@dataclass(frozen=True)
class Client:
    """Sends requests under one set of limits.

    While it is open it remembers the files of sites and the pauses of hosts.
    """

    requester: Requester
    sites: SiteReader

    @property
    def settings(self) -> ClientSettings:
        return self.requester.settings

    @property
    def bandwidth(self) -> Bandwidth:
        return self.requester.bandwidth

    def limiter_of(self, url: str) -> HostRateLimiter:
        """Return the limiter of a URL's host."""
        return self.requester.limiter_of(url)

    def site_is_read(self, url: str) -> bool:
        """Tell whether all files of a URL's site have been read, or one could not be read."""
        return self.sites.is_read(url)

    async def read_site_file(self, url: str) -> None:
        """Read one more file of a URL's site.

        A file that cannot be read raises nothing here; `ask` then returns the status.
        """
        await self.sites.read_next_file(url)

    async def ask(self, request: FetchRequest) -> Answer:
        """Fetch one URL and return its answer.

        Raises Busy where the host asks us to come again later, and nothing else that a server
        could cause.
        """
        try:
            await self._check_page_licences(request)
            if request.known is None:
                read = self.answer_reader(request)
                answer = await self.follow(request, read, Form(ACCEPT_IMAGES))
            else:
                answer = await ask_again(self, request, request.known)
            await self._check_linked_licences(answer)
        except Refused as refused:
            # Whatever ended the request, nobody gets the body.
            return Answer(request.url, refused.status, refused.http_status, fetched_at=now_utc())
        return answer

    async def follow(self, request: FetchRequest, read: ReadAnswer[Result], form: Form) -> Result:
        """Request a URL and its redirects, where the sites of all hops allow it.

        Raises Refused, and what `read` raises.
        """
        return await self.requester.follow(request.url, self.sites.check_site, read, form)

    def leave_all_alone(self) -> None:
        """Ask no host anything from now on: what still waits is answered `host_left_alone`."""
        self.requester.leave_all_alone()

    def pause_host(self, busy: Busy, tries: int) -> None:
        """Pause a busy host, after `tries` requests for the same URL."""
        self.requester.pause_host(busy, tries)

    def may_retry(self, busy: Busy, tries: int) -> bool:
        """Tell whether to request a URL again whose host was busy `tries` times."""
        if tries > self.settings.retries:
            return False
        return not self.limiter_of(busy.at).left_alone

    def answer_reader(self, request: FetchRequest) -> ReadAnswer[Answer]:
        """Return the function that reads the answer of the last hop of a request."""

        async def read(at: str, response: aiohttp.ClientResponse) -> Answer:
            # Busy is no status of the URL yet: the schedule asks again later.
            if response.status in BUSY:
                raise self.requester.busy_answer(at, response)
            # Errors of the server count against its host, those of the request (4xx) do not.
            self.requester.record_answer(at, failed=response.status >= 500)
            if response.status != 200:
                raise Refused("http_error", response.status)
            headers = headers_of(response)
            status = request.check_headers(request.url, at, headers)
            body = b""
            # A refusal by the headers ends the download before the body.
            if status is None:
                body = await whole_body(response, self.settings.max_bytes)
                status = "ok" if body else "empty"
            self.bandwidth.spend(len(body))
            return Answer(
                url=request.url,
                status=status,
                http_status=response.status,
                final_url=at,
                fetched_at=now_utc(),
                content_type=combined(headers, "content-type"),
                headers=headers,
                body=body,
            )

        return read

    async def _check_page_licences(self, request: FetchRequest) -> None:
        """Raise Refused where a licence file that a page names refuses the picture or the page."""
        if not self.settings.rsl:
            return
        for licence in request.licences:
            site = origin_of(licence.page_url)
            # A licence may be about the picture, or about everything on the page.
            for url in (request.url, licence.page_url):
                await self.sites.check_licence(licence.address, url, site)

    async def _check_linked_licences(self, answer: Answer) -> None:
        """Raise Refused where a licence file that the answer's headers name refuses it.

        This comes after the request, because reading the licence may need the host's connection.
        """
        if not self.settings.rsl or answer.status not in ("ok", "unchanged"):
            return
        at = answer.final_url or answer.url
        links = [value for name, value in answer.headers if name.lower() == "link"]
        for address in linked_licences(links, at):
            await self.sites.check_licence(address, at, origin_of(at))


@asynccontextmanager
async def open_client(
    settings: ClientSettings,
    share_of: ShareOf = whole_share,
    known: MutableMapping[str, SiteTexts] | None = None,
) -> AsyncIterator[Client]:
    """Open a client without cookies, credentials and Referer.

    It ignores environment variables, which could name a proxy or credentials. `known` holds sites
    whose files were read before, by origin. What is read is added to it.
    """
    connector = guarded_connector(settings.allow_networks, settings.connections)
    # The total time is limited by the requester, which does not count waiting for a host's turn.
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=settings.connect_timeout_s, sock_read=settings.read_timeout_s
    )
    # "identity", because the size limit and the digests are about the bytes as served.
    headers = {"User-Agent": settings.user_agent, "Accept-Encoding": "identity"}
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        headers=headers,
        # Answers must not depend on earlier requests.
        cookie_jar=aiohttp.DummyCookieJar(),
        # A proxy of the environment would hide which address is contacted.
        trust_env=False,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
        max_headers=MAX_HEADERS,
    ) as session:
        requester = Requester(session, settings, share_of)
        sites = SiteReader(requester, {} if known is None else known)
        try:
            yield Client(requester, sites)
        finally:
            sites.stop()

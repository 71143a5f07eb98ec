"""Polite, bounded requests for images: what their sites say first, public addresses only, byte caps
and deadlines.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from pairsieve.records.page import Headers, header
from pairsieve.web.answer import Answer, Order, now_utc
from pairsieve.web.body import whole_body
from pairsieve.web.client_settings import ClientSettings
from pairsieve.web.connector import guarded_connector
from pairsieve.web.rate_limit import Bandwidth, HostRateLimiter
from pairsieve.web.refusals import Busy, Refused
from pairsieve.web.requester import BUSY, Read, Requester, ShareOf, whole_share
from pairsieve.web.rsl import linked_licences
from pairsieve.web.site_reader import SiteReader
from pairsieve.web.sites import SiteTexts
from pairsieve.web.text import storable
from pairsieve.web.urls import origin_of

ACCEPT_IMAGES = "image/*"
# of one header field: 64 KB of value, as some servers send policies, and its name
MAX_HEADER_BYTES = 65 * 1024
MAX_HEADERS = 1000


@dataclass(frozen=True)
class Client:
    """Requests under one set of limits; what sites say and the pauses of hosts are remembered while
    it is open.
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
        """The allowance of a URL's host."""
        return self.requester.limiter_of(url)

    def knows_site(self, url: str) -> bool:
        """Whether everything that a URL's site says of it has come, or failed to."""
        return self.sites.knows(url)

    async def learn_site(self, url: str) -> None:
        """Read one more of the files by which a URL's site says something; `ask` then says what
        became of it.
        """
        await self.sites.learn(url)

    async def ask(self, order: Order) -> Answer:
        """One URL to its one status. Raises nothing that a server could cause but Busy."""
        try:
            await self._ask_page_licences(order)
            answer = await self.requester.follow(
                order.url, self.sites.allow_by_site, self._reader(order), ACCEPT_IMAGES
            )
            await self._ask_linked_licences(answer)
        except Refused as refused:
            return Answer(order.url, refused.status, refused.http_status, fetched_at=now_utc())
        return answer

    def comes_again(self, busy: Busy, tried: int) -> bool:
        """Leave a busy host in peace for a while; whether to ask again afterwards, `tried` times
        having been in vain.
        """
        self.requester.leave_in_peace(busy, tried)
        return tried <= self.settings.retries and not self.limiter_of(busy.at).left_alone

    def _reader(self, order: Order) -> Read[Answer]:
        """The function that makes an answer of what the last hop sends."""

        async def read(at: str, response: aiohttp.ClientResponse) -> Answer:
            if response.status in BUSY:
                raise self.requester.busy(at, response)
            self.requester.record_answer(at, failed=response.status >= 500)
            if response.status != 200:
                raise Refused("http_error", response.status)
            headers: Headers = tuple(
                (storable(name), storable(value)) for name, value in response.headers.items()
            )
            refusal = order.refuse(order.url, at, headers)
            body = b"" if refusal else await whole_body(response, self.settings.max_bytes)
            self.bandwidth.spend(len(body))
            status = refusal or ("ok" if body else "empty")
            return Answer(
                order.url,
                status,
                response.status,
                at,
                now_utc(),
                header(headers, "content-type"),
                headers,
                body,
            )

        return read

    async def _ask_page_licences(self, order: Order) -> None:
        """Raise Refused where a licence file that a page names refuses the picture, or what stands
        on the page.
        """
        for licence in order.licences if self.settings.rsl else ():
            for url in (order.url, licence.page_url):
                await self.sites.allow_by_licence(licence.address, url, origin_of(licence.page_url))

    async def _ask_linked_licences(self, answer: Answer) -> None:
        """Raise Refused where a licence file that the answer names refuses it: read when the host's
        turn is over, which it may need.
        """
        at = answer.final_url or answer.url
        links = [value for name, value in answer.headers if name.lower() == "link"]
        for address in (
            linked_licences(links, at) if self.settings.rsl and answer.status == "ok" else ()
        ):
            await self.sites.allow_by_licence(address, at, origin_of(at))


@asynccontextmanager
async def open_client(
    settings: ClientSettings,
    share_of: ShareOf = whole_share,
    known: MutableMapping[str, SiteTexts] | None = None,
) -> AsyncIterator[Client]:
    """A client with no cookies, no credentials and no Referer, that trusts no environment
    variables.

    `known` are sites whose files were read before, by origin; what is read is added to them.
    """
    connector = guarded_connector(settings.allow_networks, settings.connections)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=settings.connect_timeout_s, sock_read=settings.read_timeout_s
        ),
        headers={"User-Agent": settings.user_agent, "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
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

"""Reads what sites say of the use of their content, before anything else of them is asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field

import aiohttp
from cachetools import LRUCache

from pairsieve.web.body import text_of, whole_body
from pairsieve.web.refusals import Refused
from pairsieve.web.requester import BUSY, Requester
from pairsieve.web.robots import Robots
from pairsieve.web.rsl import RSL_MAX_BYTES
from pairsieve.web.site_files import SITE_FILE_MAX_BYTES, said_by_file
from pairsieve.web.sites import (
    ROBOTS_TXT,
    RSL_PREFIX,
    Site,
    SiteFileSettings,
    SiteTexts,
    licence_refusal,
)
from pairsieve.web.urls import origin_of

# RFC 9309, 2.5, asks for at least 500 KiB; nothing is judged by half a file
ROBOTS_MAX_BYTES = 2 * 1024 * 1024
ACCEPT_ANY = "*/*"
KNOWN_LICENCES = 256  # licence files that pages and answers name, each of at most RSL_MAX_BYTES
OF_THE_ORIGIN = (
    "private_address",
    "port_not_allowed",
    "scheme_not_allowed",
    "url_credentials",
    "host_left_alone",
)
# What keeps us from a file that a site need not have; for us it has none then.
NO_FILE_FOR_US = ("bad_redirect", "too_many_redirects", "robots_disallowed", *OF_THE_ORIGIN[:4])

ReadText = Callable[[str, aiohttp.ClientResponse], Awaitable[str]]


@dataclass
class Reading:
    """An origin whose files are being read: what has come, which file could not be had, and who
    reads at the moment.
    """

    origin: str
    texts: dict[str, str] = field(default_factory=dict)
    failed: dict[str, Refused] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    site: Site | None = None


class SiteReader:
    """Sites by origin.

    `known` are those that were read before; what is read whole is added to them.
    """

    def __init__(self, requester: Requester, known: MutableMapping[str, SiteTexts]) -> None:
        limits = requester.settings
        self._requester, self._known = requester, known
        self._settings = SiteFileSettings(
            limits.robots_ai_agents, limits.tdmrep, limits.ai_txt, limits.trust_txt, limits.rsl
        )
        self._readings: dict[str, Reading] = {}
        self._licences: MutableMapping[str, asyncio.Task[str]] = LRUCache(KNOWN_LICENCES)

    def knows(self, url: str) -> bool:
        """Whether all files of a URL's site have come, or one failed to."""
        reading = self._readings.get(origin_of(url))
        return reading is not None and (reading.site is not None or bool(reading.failed))

    async def learn(self, url: str) -> None:
        """Read one more file of a URL's site: between two of them others may be asked."""
        await self._read_next(self._reading(url))

    async def site(self, url: str) -> Site:
        """What the files of a URL's site say.

        Raises Refused where one of them cannot be had: a no until it is asked for again.
        """
        reading = self._reading(url)
        while reading.site is None:
            if reading.failed:
                raise next(iter(reading.failed.values()))
            await self._read_next(reading)
        return reading.site

    async def allow_by_site(self, url: str) -> None:
        """Raise Refused where a URL's site reserves it."""
        refusal = (await self.site(url)).refusal(url)
        if refusal:
            raise Refused(refusal)

    async def allow_by_robots(self, url: str) -> None:
        """Raise Refused where robots.txt keeps us from a URL, whatever other files say."""
        reading = self._reading(url)
        while ROBOTS_TXT not in reading.texts and ROBOTS_TXT not in reading.failed:
            await self._read_next(reading)
        if ROBOTS_TXT in reading.failed:
            raise reading.failed[ROBOTS_TXT]
        if not Robots(reading.texts[ROBOTS_TXT], ai_agents=False).may_crawl(url):
            raise Refused("robots_disallowed")

    async def allow_by_licence(self, address: str, url: str, site: str) -> None:
        """Raise Refused where the licence file at an address refuses training with a URL; `site` is
        the origin that names the file.
        """
        refusal = licence_refusal(await self._licence(address), address, url, site)
        if refusal:
            raise Refused(refusal)

    def _reading(self, url: str) -> Reading:
        origin = origin_of(url)
        reading = self._readings.get(origin)
        if reading is None:
            reading = self._readings[origin] = Reading(origin)
            known = self._known.get(origin)
            site = Site(origin, known.texts, self._settings) if known else None
            if site and next(site.missing(), None) is None:
                reading.texts |= site.texts
                reading.site = site
                self._keep_crawl_delay(reading, site.robots)
        return reading

    def _keep_crawl_delay(self, reading: Reading, robots: Robots) -> None:
        if robots.crawl_delay_s > self._requester.settings.max_pause_s:
            reading.failed[ROBOTS_TXT], reading.site = Refused("crawl_delay_too_long"), None
        self._requester.limiter_of(reading.origin).slow_down(robots.crawl_delay_s)

    async def _read_next(self, reading: Reading) -> None:
        """Read the next file that is missing; without one the site is known."""
        async with reading.lock:
            if reading.site or reading.failed:
                return
            site = Site(reading.origin, dict(reading.texts), self._settings)
            missing = next(site.missing(), None)
            if missing is None:
                reading.site = site
                self._known[reading.origin] = SiteTexts(site.texts, time.time())
                return
            try:
                reading.texts[missing] = await self._text(reading.origin, missing)
            except Refused as refused:
                reading.failed[missing] = refused
                return
            if missing == ROBOTS_TXT:
                self._keep_crawl_delay(
                    reading, Robots(reading.texts[ROBOTS_TXT], self._settings.ai_agents)
                )

    async def _text(self, origin: str, name: str) -> str:
        """What one file says; nothing where there is none. Raises Refused where that cannot be
        known.
        """
        if name.startswith(RSL_PREFIX):
            return await self._licence(name.removeprefix(RSL_PREFIX))
        if name == ROBOTS_TXT:
            return await self._robots_text(f"{origin}/{name}")
        return await self._file_text(f"{origin}/{name}", _site_file_reader(name))

    async def _robots_text(self, url: str) -> str:
        """RFC 9309, 2.3.1: a 4xx allows everything; what does not come whole refuses everything."""
        try:
            return await self._follow(url, _allow_any, _read_robots)
        except Refused as refused:
            if refused.status in OF_THE_ORIGIN:
                raise
            raise Refused("robots_unreachable", refused.http_status) from None

    async def _file_text(self, url: str, read: ReadText) -> str:
        try:
            return await self._follow(url, self.allow_by_robots, read)
        except Refused as refused:
            if refused.status in NO_FILE_FOR_US:
                return ""
            raise Refused("reservation_unreachable", refused.http_status) from None

    async def _follow(
        self, url: str, allow: Callable[[str], Awaitable[None]], read: ReadText
    ) -> str:
        async def read_if_there(at: str, response: aiohttp.ClientResponse) -> str:
            if response.status == 200:
                return await read(at, response)
            if response.status in BUSY:
                self._requester.leave_in_peace(self._requester.busy(at, response), tried=1)
            elif 400 <= response.status < 500:
                return ""
            raise Refused("unreachable", response.status)

        return await self._requester.follow(url, allow, read_if_there, ACCEPT_ANY)

    async def _licence(self, address: str) -> str:
        """A licence file, asked for once. Raises Refused where it cannot be known what it says."""
        task = self._licences.get(address)
        if task is None:
            task = self._licences[address] = asyncio.create_task(
                self._file_text(address, _read_licence_file)
            )
            task.add_done_callback(_look_at_exception)
        return await asyncio.shield(task)

    def stop(self) -> None:
        """Cancel what nobody waits for any more."""
        for task in self._licences.values():
            task.cancel()


async def _allow_any(_url: str) -> None:
    """A robots.txt may always be asked for (RFC 9309, 2.2.2)."""


async def _read_robots(_at: str, response: aiohttp.ClientResponse) -> str:
    return text_of(await whole_body(response, ROBOTS_MAX_BYTES))


async def _read_licence_file(_at: str, response: aiohttp.ClientResponse) -> str:
    return text_of(await whole_body(response, RSL_MAX_BYTES))


def _site_file_reader(name: str) -> ReadText:
    async def read(_at: str, response: aiohttp.ClientResponse) -> str:
        text = text_of(await whole_body(response, SITE_FILE_MAX_BYTES))
        return said_by_file(name, text, response.headers.get("Content-Type", ""))

    return read


def _look_at_exception(task: asyncio.Task[str]) -> None:
    """Keep asyncio from logging an exception that everybody who waited for it has timed out on."""
    if not task.cancelled():
        task.exception()

"""Reads the files in which sites reserve rights, before anything else of a site is requested."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field

import aiohttp
from cachetools import LRUCache

from pairsieve.web.body import text_of, whole_body
from pairsieve.web.refusals import Refused
from pairsieve.web.requester import BUSY, CheckUrl, Form, Requester
from pairsieve.web.robots import Robots
from pairsieve.web.rsl import RSL_MAX_BYTES
from pairsieve.web.site_files import SITE_FILE_MAX_BYTES, usable_text
from pairsieve.web.sites import (
    ROBOTS_TXT,
    RSL_PREFIX,
    Site,
    SiteTexts,
    licence_refusal,
)
from pairsieve.web.urls import origin_of

# RFC 9309, 2.5, asks for at least 500 KiB. A longer file is refused: half of it decides nothing.
ROBOTS_MAX_BYTES = 2 * 1024 * 1024
ACCEPT_ANY = "*/*"
KNOWN_LICENCES = 256  # licence files of pages and answers in memory, each RSL_MAX_BYTES at most

# Our own limits forbid any request to the address.
_NOT_ALLOWED = ("private_address", "port_not_allowed", "scheme_not_allowed", "url_credentials")
# These say something of the origin, not of its robots.txt, so the status is kept.
OF_THE_ORIGIN = (*_NOT_ALLOWED, "host_left_alone")
# We may not, or cannot, request the file. A site need not have it, so for us there is none.
NO_FILE_FOR_US = ("bad_redirect", "too_many_redirects", "robots_disallowed", *_NOT_ALLOWED)

ReadText = Callable[[str, aiohttp.ClientResponse], Awaitable[str]]
"""(URL of the last hop, its answer) -> text of the file."""


@dataclass
class SiteReading:
    """An origin whose files are being read.

    `texts` holds the files that have been read, `failed` those that could not be read. One task at
    a time reads, with the `lock`. `site` is set when all files have been read.
    """

    origin: str
    texts: dict[str, str] = field(default_factory=dict)
    failed: dict[str, Refused] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    site: Site | None = None


class SiteReader:
    """Reads and remembers the files of sites, by origin.

    `known` holds sites that were read before. Every site that is read whole is added to it.
    """

    def __init__(self, requester: Requester, known: MutableMapping[str, SiteTexts]) -> None:
        self._requester = requester
        self._known = known
        self._readings: dict[str, SiteReading] = {}
        self._licences: MutableMapping[str, asyncio.Task[str]] = LRUCache(KNOWN_LICENCES)

    def is_read(self, url: str) -> bool:
        """Tell whether all files of a URL's site have been read, or one could not be read."""
        reading = self._readings.get(origin_of(url))
        if reading is None:
            return False
        return reading.site is not None or bool(reading.failed)

    async def read_next_file(self, url: str) -> None:
        """Read one more file of a URL's site; other hosts may be asked between two of them."""
        await self._read_next(self._reading(url))

    async def site(self, url: str) -> Site:
        """Return the site of a URL, after reading all its files.

        Raises Refused where one of them cannot be read: then nothing of the site is requested.
        """
        reading = self._reading(url)
        while reading.site is None:
            if reading.failed:
                raise next(iter(reading.failed.values()))
            await self._read_next(reading)
        return reading.site

    async def check_site(self, url: str) -> None:
        """Raise Refused where a URL's site reserves it."""
        site = await self.site(url)
        refusal = site.refusal(url)
        if refusal:
            raise Refused(refusal)

    async def check_robots(self, url: str) -> None:
        """Raise Refused where robots.txt forbids us a URL, whatever other files say."""
        reading = self._reading(url)
        while ROBOTS_TXT not in reading.texts and ROBOTS_TXT not in reading.failed:
            await self._read_next(reading)
        if ROBOTS_TXT in reading.failed:
            raise reading.failed[ROBOTS_TXT]
        # The URL is that of a file with rules. What others say of AI is about contents.
        robots = Robots(reading.texts[ROBOTS_TXT], ai_agents=False)
        if not robots.may_crawl(url):
            raise Refused("robots_disallowed")

    async def check_licence(self, address: str, url: str, site: str) -> None:
        """Raise Refused where the licence file at `address` refuses training with a URL.

        `site` is the origin that names the file.
        """
        text = await self._licence(address)
        refusal = licence_refusal(text, address, url, site)
        if refusal:
            raise Refused(refusal)

    def _reading(self, url: str) -> SiteReading:
        """Return the state of a URL's site; a site that is known already needs no reading."""
        origin = origin_of(url)
        reading = self._readings.get(origin)
        if reading is not None:
            return reading
        reading = SiteReading(origin)
        self._readings[origin] = reading
        known = self._known.get(origin)
        if known is not None:
            site = Site(origin, known.texts, self._requester.settings)
            # Other settings may need files that were not read then.
            if next(site.missing(), None) is None:
                reading.texts.update(site.texts)
                reading.site = site
                self._keep_crawl_delay(reading, site.robots)
        return reading

    def _keep_crawl_delay(self, reading: SiteReading, robots: Robots) -> None:
        """Slow down to the interval that robots.txt asks for; refuse one that is too long."""
        delay_s = robots.crawl_delay_s
        # Such a host would delay the whole run.
        if delay_s > self._requester.settings.max_pause_s:
            reading.failed[ROBOTS_TXT] = Refused("crawl_delay_too_long")
            reading.site = None
        self._requester.limiter_of(reading.origin).slow_down(delay_s)

    async def _read_next(self, reading: SiteReading) -> None:
        """Read the next file that is missing; if none is, the site is complete."""
        async with reading.lock:
            # Another task may have finished while this one waited for the lock.
            if reading.site or reading.failed:
                return
            site = Site(reading.origin, dict(reading.texts), self._requester.settings)
            missing = next(site.missing(), None)
            if missing is None:
                reading.site = site
                # Kept for later runs, with the time, since it is used for a day.
                self._known[reading.origin] = SiteTexts(site.texts, time.time())
                return
            try:
                text = await self._text(reading.origin, missing)
            except Refused as refused:
                reading.failed[missing] = refused
                return
            reading.texts[missing] = text
            if missing == ROBOTS_TXT:
                ai_agents = self._requester.settings.robots_ai_agents
                self._keep_crawl_delay(reading, Robots(text, ai_agents))

    async def _text(self, origin: str, name: str) -> str:
        """Read one file; empty where there is none.

        Raises Refused where it is not known whether there is one, or what it says.
        """
        if name.startswith(RSL_PREFIX):
            return await self._licence(name.removeprefix(RSL_PREFIX))
        if name == ROBOTS_TXT:
            return await self._robots_text(f"{origin}/{name}")
        return await self._file_text(f"{origin}/{name}", _site_file_reader(name))

    async def _robots_text(self, url: str) -> str:
        """Read a robots.txt.

        A 4xx allows everything (RFC 9309, 2.3.1). Anything else but a whole file refuses
        everything.
        """
        try:
            return await self._follow(url, _allow_any, _read_robots)
        except Refused as refused:
            # The picture's own request would end with the same status.
            if refused.status in OF_THE_ORIGIN:
                raise
            raise Refused("robots_unreachable", refused.http_status) from None

    async def _file_text(self, url: str, read: ReadText) -> str:
        """Read another file, if robots.txt allows that."""
        try:
            return await self._follow(url, self.check_robots, read)
        except Refused as refused:
            # A site cannot expect us to read what it forbids us to request.
            if refused.status in NO_FILE_FOR_US:
                return ""
            raise Refused("reservation_unreachable", refused.http_status) from None

    async def _follow(self, url: str, check: CheckUrl, read: ReadText) -> str:
        """Request a file and its redirects; return an empty text where there is none (4xx)."""

        async def read_if_there(at: str, response: aiohttp.ClientResponse) -> str:
            if response.status == 200:
                return await read(at, response)
            # 429 is a 4xx too, but does not mean that there is no file.
            if response.status in BUSY:
                self._requester.pause_host(self._requester.busy_answer(at, response), tries=1)
            elif 400 <= response.status < 500:
                return ""
            raise Refused("unreachable", response.status)

        return await self._requester.follow(url, check, read_if_there, Form(ACCEPT_ANY))

    async def _licence(self, address: str) -> str:
        """Read a licence file once, for all that need it.

        Raises Refused where it is not known what it says.
        """
        task = self._licences.get(address)
        if task is None:
            task = asyncio.create_task(self._file_text(address, _read_licence_file))
            task.add_done_callback(_look_at_exception)
            self._licences[address] = task
        # A caller that is cancelled must not cancel the task of the others.
        return await asyncio.shield(task)

    def stop(self) -> None:
        """Cancel the reading of licence files for which nobody waits any more."""
        for task in self._licences.values():
            task.cancel()


async def _allow_any(_url: str) -> None:
    """A robots.txt may always be requested (RFC 9309, 2.2.2)."""


async def _read_robots(_at: str, response: aiohttp.ClientResponse) -> str:
    return text_of(await whole_body(response, ROBOTS_MAX_BYTES))


async def _read_licence_file(_at: str, response: aiohttp.ClientResponse) -> str:
    return text_of(await whole_body(response, RSL_MAX_BYTES))


def _site_file_reader(name: str) -> ReadText:
    """Return the function that reads the answer to a request for a site's file."""

    async def read(_at: str, response: aiohttp.ClientResponse) -> str:
        text = text_of(await whole_body(response, SITE_FILE_MAX_BYTES))
        return usable_text(name, text, response.headers.get("Content-Type", ""))

    return read


def _look_at_exception(task: asyncio.Task[str]) -> None:
    """Keep asyncio from logging an error of a task for which nobody waits any more."""
    if not task.cancelled():
        task.exception()

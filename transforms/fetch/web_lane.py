"""One worker that fetches the parts of a lane from the web."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, Protocol, TypeVar

from pairsieve.collector import collector_seldom
from pairsieve.records.outcome import Counted, Rejection
from pairsieve.storage.progress import Progress, write_progress
from pairsieve.web.answer import FetchRequest
from pairsieve.web.client import Client, open_client
from pairsieve.web.client_settings import ClientSettings
from pairsieve.web.schedule import Schedule
from transforms.fetch.lanes import Lane
from transforms.fetch.robots_texts import SiteTextCache

# URLs that one worker holds; only below that another part is opened.
MAX_WAITING = 20_000

# Parts that one worker has open. Each holds its pairs and an open file.
MAX_OPEN = 48

# How often parts are checked, progress is written, and the journal is saved.
POLL_S, PROGRESS_S, SAVE_S = 0.05, 2.0, 2.0

Result = TypeVar("Result")


Outcomes = list[Rejection | Counted]


class OpenedPart(Protocol):
    """A part whose URLs are being requested; `admitted` holds those that wait for an answer."""

    status_counts: Counter[str]

    @property
    def admitted(self) -> Mapping[str, object]: ...

    def requests(self) -> list[FetchRequest]:
        """One request for each URL."""
        ...


Part = TypeVar("Part", bound=OpenedPart)


class LaneParts(Protocol[Part]):
    """Opens the parts of a lane, saves their answers meanwhile, and writes them.

    `result_folder` is where they are written to, and where workers tell how far they are.
    """

    @property
    def result_folder(self) -> str: ...

    def open(self, name: str, stack: ExitStack) -> Part: ...

    def save(self, opened: Mapping[str, Part]) -> None: ...

    def finish(self, name: str, part: Part, stack: ExitStack) -> Outcomes: ...


@dataclass(frozen=True)
class WebSource:
    """The limits of the whole run, which its lanes share, and the cached texts of sites.

    From `ends_at` on (seconds since 1970) nothing is requested any more: what still waits is
    answered `host_left_alone`. None sets no end.
    """

    client: ClientSettings
    sites: SiteTextCache
    ends_at: float | None = None


def fetch_from_web(
    lane: Lane, names: Sequence[str], lane_parts: LaneParts[Part], source: WebSource
) -> Outcomes:
    """Fetch some parts of a lane. Raises the first error of the concurrent tasks."""
    try:
        with collector_seldom():
            return asyncio.run(WebLane(lane, names, lane_parts, source).run())
    except ExceptionGroup as errors:
        # A cause is easier to read, and callers expect StoreFull itself, not a group of it.
        raise _first_of(errors) from None


def _first_of(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


class WebLane(Generic[Part]):
    """Fetches several parts at once: while one waits for its slowest host, others go on."""

    def __init__(
        self, lane: Lane, names: Sequence[str], lane_parts: LaneParts[Part], source: WebSource
    ) -> None:
        self._lane = lane
        self._lane_parts = lane_parts
        self._source = source
        self._names = iter(names)
        self._open: dict[str, tuple[Part, ExitStack]] = {}
        self._all_answered = asyncio.Event()
        self._status_counts: Counter[str] = Counter()
        self._outcomes: Outcomes = []

    async def run(self) -> Outcomes:
        """Fetch until every part is written.

        If anything raises, nothing is written of open parts. The next run takes the answers that
        `save` has kept, and asks for the others again.
        """
        lane, sites = self._lane, self._source.sites
        texts = sites.read(lane.shares)
        limits = _share(self._source.client, lane.lanes)
        share_of = lane.share_of(sites.buckets)
        # One thread: the event loop is not held up, and no two parts are read or written at once.
        with ThreadPoolExecutor(1) as writer, ExitStack() as opened:
            self._writer, self._opened = writer, opened
            async with (
                open_client(limits, share_of, texts) as client,
                asyncio.TaskGroup() as group,
            ):
                schedule = Schedule(client, self._refill, MAX_WAITING)
                group.create_task(self._finish_parts())
                repeated = [
                    group.create_task(self._write_progress(schedule)),
                    group.create_task(self._save_journal()),
                    group.create_task(self._end(client)),
                ]
                await schedule.run()
                for task in repeated:
                    task.cancel()
                # _finish_parts ends by itself, once it has written the last parts.
                self._all_answered.set()
        sites.write(lane.shares, texts)
        return self._outcomes

    async def _refill(self) -> Sequence[FetchRequest] | None:
        """Open one more part, when fewer than MAX_OPEN are open, and return its requests."""
        while len(self._open) >= MAX_OPEN:
            await asyncio.sleep(POLL_S)
        name = next(self._names, None)
        if name is None:
            return None
        stack = self._opened.enter_context(ExitStack())
        part = await self._in_thread(partial(self._lane_parts.open, name, stack))
        part.status_counts = self._status_counts
        self._open[name] = part, stack
        return part.requests()

    async def _write_progress(self, schedule: Schedule) -> None:
        """Write every few seconds how far this lane is."""
        # A lane is named by its first part, which no other lane has.
        folder, worker = self._lane_parts.result_folder, self._lane.names[0]
        while True:
            await asyncio.sleep(PROGRESS_S)
            progress = Progress(dict(self._status_counts), schedule.hosts_waiting)
            await asyncio.to_thread(write_progress, folder, worker, progress)

    async def _end(self, client: Client) -> None:
        """Ask nothing any more once the time is over."""
        if self._source.ends_at is not None:
            await asyncio.sleep(max(0.0, self._source.ends_at - time.time()))
            client.leave_all_alone()

    async def _save_journal(self) -> None:
        """Save the answers of open parts every few seconds."""
        while True:
            await asyncio.sleep(SAVE_S)
            opened = {name: part for name, (part, _) in self._open.items()}
            await self._in_thread(partial(self._lane_parts.save, opened))

    async def _finish_parts(self) -> None:
        """Write each part as soon as its URLs are all answered."""
        while self._open or not self._all_answered.is_set():
            answered = [name for name, (part, _) in self._open.items() if not part.admitted]
            for name in answered:
                part, stack = self._open.pop(name)
                finish = partial(self._lane_parts.finish, name, part, stack)
                self._outcomes += await self._in_thread(finish)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_answered.wait(), POLL_S)

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        """Run work on the one thread that reads and writes parts."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)


def _share(client: ClientSettings, lanes: int) -> ClientSettings:
    """The limits of one of several lanes."""
    bytes_per_s = client.bytes_per_s / lanes if client.bytes_per_s else None
    connections = max(1, client.connections // lanes)
    return replace(client, connections=connections, bytes_per_s=bytes_per_s)

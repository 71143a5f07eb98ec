"""One worker that asks the web for the parts of a lane."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from pairsieve.storage.progress import Progress, write_progress
from pairsieve.web.answer import Order
from pairsieve.web.client import open_client
from pairsieve.web.client_settings import ClientSettings
from pairsieve.web.schedule import Schedule
from transforms.fetch.lanes import Lane
from transforms.fetch.open_part import OpenPart
from transforms.fetch.part_shelf import Outcomes, Shelf
from transforms.fetch.robots_texts import SitesShelf

MOST_WAITING = 20_000  # URLs of one worker, before another part is opened
MOST_OPEN = 48  # parts of one worker: each holds its pairs and an open file
POLL_S, TELL_S, SAVE_S = 0.05, 2.0, 2.0

Done = TypeVar("Done")


@dataclass(frozen=True)
class WebSource:
    """The limits of the whole run, which its lanes share, and what is known already of sites."""

    client: ClientSettings
    sites: SitesShelf


def fetch_from_web(lane: Lane, names: Sequence[str], shelf: Shelf, source: WebSource) -> Outcomes:
    """Every part of a lane. Raises what went wrong first."""
    try:
        return asyncio.run(WebLane(lane, names, shelf, source).run())
    except ExceptionGroup as errors:  # of concurrent tasks; the first is what went wrong
        raise _first_of(errors) from None


def _first_of(error: Exception) -> Exception:
    return _first_of(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error


class WebLane:
    """Asks the web for several parts at the same time: while one waits for its slowest host, others
    go on.
    """

    def __init__(self, lane: Lane, names: Sequence[str], shelf: Shelf, source: WebSource) -> None:
        self._lane, self._shelf, self._source = lane, shelf, source
        self._names = iter(names)
        self._open: dict[str, tuple[OpenPart, ExitStack]] = {}
        self._all_answered = False
        self._answered: Counter[str] = Counter()
        self._outcomes: Outcomes = []

    async def run(self) -> Outcomes:
        """Until every part is in place.

        Parts that were open are dropped whole if anything raises.
        """
        lane, shelf = self._lane, self._source.sites
        known = shelf.read(lane.shares)
        with ThreadPoolExecutor(1) as writer, ExitStack() as opened:
            self._writer, self._opened = writer, opened
            limits = _share(self._source.client, lane.lanes)
            async with (
                open_client(limits, lane.share_of(shelf.buckets), known) as client,
                asyncio.TaskGroup() as group,
            ):
                schedule = Schedule(client, self._refill, MOST_WAITING)
                group.create_task(self._finish())
                beside = [group.create_task(self._tell(schedule)), group.create_task(self._save())]
                await schedule.run()
                for task in beside:
                    task.cancel()
                self._all_answered = True
        shelf.write(lane.shares, known)
        return self._outcomes

    async def _refill(self) -> Sequence[Order] | None:
        """The orders of one more part, when there are not too many open."""
        while len(self._open) >= MOST_OPEN:
            await asyncio.sleep(POLL_S)
        name = next(self._names, None)
        if name is None:
            return None
        stack = self._opened.enter_context(ExitStack())
        part = await self._in_thread(partial(self._shelf.open, name, stack))
        part.answered = self._answered
        self._open[name] = part, stack
        return part.orders()

    async def _tell(self, schedule: Schedule) -> None:
        """Say every few seconds how far this lane is."""
        while True:
            await asyncio.sleep(TELL_S)
            said = Progress(dict(self._answered), schedule.hosts_waiting)
            await asyncio.to_thread(
                write_progress, self._shelf.folders.images, self._lane.names[0], said
            )

    async def _save(self) -> None:
        """Keep a journal of what was answered for parts that are open."""
        while True:
            await asyncio.sleep(SAVE_S)
            await self._in_thread(
                partial(self._shelf.save, {name: part for name, (part, _) in self._open.items()})
            )

    async def _finish(self) -> None:
        """Put parts in place as soon as all of their URLs have been answered, until that is so of
        all.
        """
        while self._open or not self._all_answered:
            for name in [name for name, (part, _) in self._open.items() if not part.admitted]:
                part, stack = self._open.pop(name)
                self._outcomes += await self._in_thread(
                    partial(self._shelf.finish, name, part, stack)
                )
            await asyncio.sleep(POLL_S)

    async def _in_thread(self, work: Callable[[], Done]) -> Done:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)


def _share(client: ClientSettings, lanes: int) -> ClientSettings:
    """What one of several lanes may use of the limits of the whole run."""
    bytes_per_s = client.bytes_per_s / lanes if client.bytes_per_s else None
    return replace(client, connections=max(1, client.connections // lanes), bytes_per_s=bytes_per_s)

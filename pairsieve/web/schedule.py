"""Who is asked next: hosts take turns, none holds up the others, and each is asked no sooner than
it may be.

A URL waits in its host's queue and takes a connection only when its host's turn has come. Hosts
that answer quickly go first; those that do not, or of which nothing is known yet, share at most a
part of the connections while quick ones have URLs waiting. Otherwise ten thousand slow hosts would
hold every connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from pairsieve.web.answer import Answer, Order, now_utc
from pairsieve.web.client import Client
from pairsieve.web.rate_limit import HostRateLimiter, clock
from pairsieve.web.refusals import Busy

# of the connections, for hosts that are not known to be quick, while quick ones wait
SLOW_SHARE = 0.25

Refill = Callable[[], Awaitable[Sequence[Order] | None]]
"""Gives more orders (perhaps none), or None when there are no more."""


@dataclass(eq=False)
class Host:
    """A host's orders, in order, and how many of them are under way."""

    limiter: HostRateLimiter
    orders: deque[tuple[Order, int]] = field(default_factory=deque)
    active: int = 0
    ready_at: float = 0.0
    listed: bool = False
    learning: bool = False

    @property
    def next_turn_at(self) -> float:
        """Nobody waits for a host that is left alone: its orders are answered without it."""
        return 0.0 if self.limiter.left_alone else max(self.ready_at, self.limiter.next_at)


@dataclass(frozen=True, slots=True)
class Job:
    """An order whose turn has come; with `learn`, one more file of its site comes first."""

    host: Host
    order: Order
    tried: int
    learn: bool
    quick: bool


class Schedule:
    """Asks for everything that `refill` gives, `most_waiting` URLs being held at most before it is
    asked for more.
    """

    def __init__(self, client: Client, refill: Refill, most_waiting: int) -> None:
        self._client, self._refill, self._most_waiting = client, refill, most_waiting
        self._connections = client.settings.connections
        self._slow_connections = max(1, int(self._connections * SLOW_SHARE))
        self._hosts: dict[int, Host] = {}
        self._heaps: dict[bool, list[tuple[float, int, Host]]] = {True: [], False: []}
        self._listed = self._workers = self._slow_active = self.waiting = 0
        self._quick: set[Host] = set()
        self._exhausted = False
        self._wake = asyncio.Event()

    @property
    def hosts_waiting(self) -> int:
        """How many hosts have URLs that wait for their turn."""
        return sum(bool(host.orders) for host in self._hosts.values())

    async def run(self) -> None:
        """Until every order has been answered."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_filled())
            while not (self._exhausted and not self.waiting and not self._workers):
                self._wake.clear()
                self._start(group)
                await self._sleep()

    async def _keep_filled(self) -> None:
        while (orders := await self._refill()) is not None:
            for order in orders:
                self._add(order, 0)
            self._wake.set()
            while self.waiting > self._most_waiting:
                await asyncio.sleep(0.05)
        self._exhausted = True
        self._wake.set()

    async def _sleep(self) -> None:
        """Until something ends or is added, or until the next host's turn where a connection is to
        spare.
        """
        heaps = [self._heaps[True], *([self._heaps[False]] if self._may_start_slow() else [])]
        times = [heap[0][0] for heap in heaps if heap] if self._workers < self._connections else []
        wait_s = (
            max(min(times) - clock(), self._client.bandwidth.free_at - clock(), 0.001)
            if times
            else None
        )
        try:
            await asyncio.wait_for(self._wake.wait(), wait_s)
        except TimeoutError:
            return

    def _add(self, order: Order, tried: int, at: str = "") -> None:
        """Put an order into the queue of its host, or of the host at which it has to wait."""
        limiter = self._client.limiter_of(at or order.url)
        host = self._hosts.get(id(limiter))
        if host is None:
            host = self._hosts[id(limiter)] = Host(limiter)
        host.orders.append((order, tried))
        self.waiting += 1
        self._list(host)

    def _list(self, host: Host) -> None:
        """Put a host among those that wait for their turn, if it has something to ask and may."""
        if host.orders and host.limiter.is_quick:
            self._quick.add(host)
        if (
            host.orders
            and not host.listed
            and not host.learning
            and host.active < host.limiter.connections
        ):
            host.listed = True
            self._listed += 1
            heappush(self._heaps[host.limiter.is_quick], (host.next_turn_at, self._listed, host))

    def _start(self, group: asyncio.TaskGroup) -> None:
        while self._workers < self._connections and (job := self._next()):
            self._workers += 1
            group.create_task(self._work(job, group))

    async def _work(self, job: Job | None, group: asyncio.TaskGroup) -> None:
        """One job after another, while there is one whose turn has come."""
        while job is not None:
            await self._do(job)
            job = self._next()
            self._start(group)
        self._workers -= 1
        self._wake.set()

    def _next(self) -> Job | None:
        now = clock()
        if self._client.bandwidth.free_at > now:
            return None
        return self._pop(True, now) or (self._pop(False, now) if self._may_start_slow() else None)

    def _may_start_slow(self) -> bool:
        return self._slow_active < self._slow_connections or not self._quick

    def _pop(self, quick: bool, now: float) -> Job | None:
        heap = self._heaps[quick]
        while heap and heap[0][0] <= now:
            host = heappop(heap)[2]
            host.listed = False
            if host.next_turn_at > now:  # it was paused meanwhile
                self._list(host)
                continue
            return self._job(host, quick)
        return None

    def _job(self, host: Host, quick: bool) -> Job:
        order, tried = host.orders.popleft()
        if not host.orders or not host.limiter.is_quick:
            self._quick.discard(host)
        learn = not self._client.knows_site(order.url)
        self.waiting -= 1
        host.active += 1
        host.learning = learn
        self._slow_active += not quick
        host.ready_at = clock() + host.limiter.interval_s
        self._list(host)
        return Job(host, order, tried, learn, quick)

    async def _do(self, job: Job) -> None:
        host = job.host
        try:
            if job.learn:
                await self._client.learn_site(job.order.url)
                host.orders.appendleft((job.order, job.tried))
                self.waiting += 1
            else:
                await self._ask(job)
        finally:
            host.active -= 1
            host.learning = False
            self._slow_active -= not job.quick
            self._list(host)

    async def _ask(self, job: Job) -> None:
        order, limiter = job.order, job.host.limiter
        if limiter.left_alone:
            order.take(Answer(order.url, "host_left_alone", fetched_at=now_utc()))
            return
        try:
            await _take(order, await self._client.ask(order))
        except Busy as busy:
            if self._client.comes_again(busy, job.tried + 1):
                self._add(order, job.tried + 1, busy.at)
            else:
                order.take(Answer(order.url, "host_busy", busy.http_status, fetched_at=now_utc()))


async def _take(order: Order, answer: Answer) -> None:
    if order.prepare is not None and answer.body:
        taken = await asyncio.to_thread(order.prepare, answer)
        taken()
    else:
        order.take(answer)

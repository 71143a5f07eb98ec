"""Decides which host is asked next: hosts take turns, and none delays the others.

A request waits in the queue of its host. It gets a connection only when its host's turn has come,
so a host that must be asked slowly holds none meanwhile.

Hosts that answer quickly go first. The others, and those that have not answered yet, share a part
of the connections while quick hosts have requests waiting. Otherwise ten thousand slow hosts would
hold every connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from pairsieve.web.answer import Answer, FetchRequest, now_utc
from pairsieve.web.client import Client
from pairsieve.web.examination import Examiner
from pairsieve.web.rate_limit import HostRateLimiter, clock
from pairsieve.web.refusals import Busy

# Share of the connections for hosts that are not known to be quick, while quick ones wait.
SLOW_SHARE = 0.25
REFILL_POLL_S = 0.05  # how often the number of waiting requests is checked
MIN_WAIT_S = 0.001

Refill = Callable[[], Awaitable[Sequence[FetchRequest] | None]]
"""Returns more requests, perhaps none, or None when there will be no more."""


@dataclass(frozen=True, slots=True)
class QueuedRequest:
    """A request in a queue; `tries` counts the times that its host was busy."""

    request: FetchRequest
    tries: int = 0


@dataclass(eq=False)
class Host:
    """A host and its requests.

    `active` counts the requests under way. `ready_at` is the time of the next turn by our interval.
    `listed` says that the host is in a heap. While `reading_site` a file of its site is being read.
    """

    limiter: HostRateLimiter
    queue: deque[QueuedRequest] = field(default_factory=deque)
    active: int = 0
    ready_at: float = 0.0
    listed: bool = False
    reading_site: bool = False

    @property
    def next_turn_at(self) -> float:
        """When the host may be asked again.

        A host that is left alone needs no pause: its requests are answered without asking it.
        """
        if self.limiter.left_alone:
            return 0.0
        return max(self.ready_at, self.limiter.next_at)


@dataclass(frozen=True, slots=True)
class Job:
    """A request whose turn has come; with `reads_site`, a file of its site is read instead."""

    host: Host
    queued: QueuedRequest
    reads_site: bool
    is_quick: bool


# (time of the next turn, number that keeps the order of equal times, host)
Heap = list[tuple[float, int, Host]]


class Schedule:
    """Sends all requests that `refill` returns.

    While more than `max_waiting` requests wait, `refill` is not called.
    """

    def __init__(self, client: Client, refill: Refill, max_waiting: int) -> None:
        self._client = client
        self._refill = refill
        self._max_waiting = max_waiting
        self._connections = client.settings.connections
        self._slow_connections = max(1, int(self._connections * SLOW_SHARE))
        self._hosts: dict[int, Host] = {}
        # The hosts whose turn may come: quick ones, and all others.
        self._quick_heap: Heap = []
        self._slow_heap: Heap = []
        self._times_listed = 0
        self._workers = 0
        self._slow_active = 0
        self.waiting = 0
        # Quick hosts that have requests waiting, also those whose turn cannot come yet.
        self._quick: set[Host] = set()
        self._exhausted = False
        self._wake = asyncio.Event()
        self._examiner = Examiner()

    @property
    def hosts_waiting(self) -> int:
        """How many hosts have requests that wait for their turn."""
        return sum(1 for host in self._hosts.values() if host.queue)

    async def run(self) -> None:
        """Run until every request has been answered."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_filled())
            while not (self._exhausted and not self.waiting and not self._workers):
                # Cleared first, so that what happens meanwhile is not missed.
                self._wake.clear()
                self._start_workers(group)
                await self._wait()

    async def _keep_filled(self) -> None:
        """Add requests as long as there are more, but no more than can wait."""
        while True:
            requests = await self._refill()
            if requests is None:
                break
            for request in requests:
                self._add(QueuedRequest(request), request.url)
            self._wake.set()
            while self.waiting > self._max_waiting:
                await asyncio.sleep(REFILL_POLL_S)
        self._exhausted = True
        self._wake.set()

    async def _wait(self) -> None:
        """Wait until a worker ends, a request is added, or the next host's turn comes."""
        try:
            await asyncio.wait_for(self._wake.wait(), self._seconds_to_next_turn())
        except TimeoutError:
            return

    def _seconds_to_next_turn(self) -> float | None:
        """Return the seconds until a request can start, or None where something else must end."""
        # All connections are in use: a worker that ends wakes us.
        if self._workers >= self._connections:
            return None
        heaps = [self._quick_heap]
        if self._may_start_slow():
            heaps.append(self._slow_heap)
        turns = [heap[0][0] for heap in heaps if heap]
        # Nothing waits for its turn: a new request or the end of one wakes us.
        if not turns:
            return None
        now = clock()
        return max(min(turns) - now, self._client.bandwidth.free_at - now, MIN_WAIT_S)

    def _add(self, queued: QueuedRequest, at: str) -> None:
        """Put a request into the queue of the host of the URL `at`.

        It is another URL than the request's where a redirect led to a busy host.
        """
        limiter = self._client.limiter_of(at)
        # A host has one limiter, whatever the spelling of its name.
        host = self._hosts.get(id(limiter))
        if host is None:
            host = Host(limiter)
            self._hosts[id(limiter)] = host
        host.queue.append(queued)
        self.waiting += 1
        self._list(host)

    def _list(self, host: Host) -> None:
        """Put a host into its heap, if it has a request waiting and a connection free."""
        if not host.queue:
            return
        is_quick = host.limiter.is_quick
        if is_quick:
            self._quick.add(host)
        # While a file of its site is read, its other requests could only wait for the file.
        if host.listed or host.reading_site or host.active >= host.limiter.connections:
            return
        host.listed = True
        self._times_listed += 1
        heap = self._quick_heap if is_quick else self._slow_heap
        heappush(heap, (host.next_turn_at, self._times_listed, host))

    def _start_workers(self, group: asyncio.TaskGroup) -> None:
        """Start a worker for each free connection that has a job."""
        while self._workers < self._connections:
            job = self._next_job()
            if job is None:
                return
            self._workers += 1
            group.create_task(self._work(job, group))

    async def _work(self, first_job: Job, group: asyncio.TaskGroup) -> None:
        """Do one job after another, as long as there is one whose turn has come."""
        job: Job | None = first_job
        while job is not None:
            await self._do(job, group)
            job = self._next_job()
            # The job that ended may have made several hosts ready.
            self._start_workers(group)
        self._workers -= 1
        self._wake.set()

    def _next_job(self) -> Job | None:
        """Return a job whose turn has come, of a quick host if there is one, or None."""
        now = clock()
        # A large answer used up the bytes of the next seconds.
        if self._client.bandwidth.free_at > now:
            return None
        job = self._pop(self._quick_heap, now)
        if job is None and self._may_start_slow():
            job = self._pop(self._slow_heap, now)
        return job

    def _may_start_slow(self) -> bool:
        """Tell whether a host that is not known to be quick may have a connection now."""
        return self._slow_active < self._slow_connections or not self._quick

    def _pop(self, heap: Heap, now: float) -> Job | None:
        """Take the next job from a heap, or None where no host's turn has come."""
        while heap and heap[0][0] <= now:
            _, _, host = heappop(heap)
            host.listed = False
            # The host may have been paused after it was put here.
            if host.next_turn_at > now:
                self._list(host)
                continue
            return self._begin_job(host, is_quick=heap is self._quick_heap)
        return None

    def _begin_job(self, host: Host, *, is_quick: bool) -> Job:
        """Take the next request of a host out of its queue."""
        queued = host.queue.popleft()
        # Only quick hosts that wait hold back the slow ones.
        if not host.queue or not host.limiter.is_quick:
            self._quick.discard(host)
        reads_site = not self._client.site_is_read(queued.request.url)
        self.waiting -= 1
        host.active += 1
        host.reading_site = reads_site
        if not is_quick:
            self._slow_active += 1
        host.ready_at = clock() + host.limiter.interval_s
        # The host may have a free connection for its next request.
        self._list(host)
        return Job(host, queued, reads_site, is_quick)

    async def _do(self, job: Job, group: asyncio.TaskGroup) -> None:
        """Read a file of the site, or send the request."""
        host = job.host
        try:
            if job.reads_site:
                await self._client.read_site_file(job.queued.request.url)
                # The request itself waits for the next turn.
                host.queue.appendleft(job.queued)
                self.waiting += 1
            else:
                await self._ask(job, group)
        finally:
            host.active -= 1
            host.reading_site = False
            if not job.is_quick:
                self._slow_active -= 1
            self._list(host)

    async def _ask(self, job: Job, group: asyncio.TaskGroup) -> None:
        """Send a request and deliver its answer, or queue it again where the host is busy."""
        request = job.queued.request
        if job.host.limiter.left_alone:
            request.deliver(Answer(request.url, "host_left_alone", fetched_at=now_utc()))
            return
        try:
            answer = await self._client.ask(request)
            await self._examiner.deliver(request, answer, group)
        except Busy as busy:
            self._ask_again_later(job.queued, busy)

    def _ask_again_later(self, queued: QueuedRequest, busy: Busy) -> None:
        """Pause a busy host and queue the request again, or give it up."""
        request = queued.request
        tries = queued.tries + 1
        self._client.pause_host(busy, tries)
        if self._client.may_retry(busy, tries):
            self._add(QueuedRequest(request, tries), busy.at)
        else:
            answer = Answer(request.url, "host_busy", busy.http_status, fetched_at=now_utc())
            request.deliver(answer)

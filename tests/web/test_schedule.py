from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from math import inf
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from pairsieve.web.answer import Answer, FetchRequest
from pairsieve.web.rate_limit import Bandwidth, HostRateLimiter, shared_limiter
from pairsieve.web.refusals import Busy
from pairsieve.web.schedule import Schedule


class Web:
    """A client whose hosts answer after some time, that knows what was asked when."""

    def __init__(
        self,
        seconds: dict[str, float],
        connections: int = 8,
        per_host: int = 4,
        interval_s: float = 0,
        pace: float | None = None,
    ):
        self.settings = SimpleNamespace(connections=connections)
        self.bandwidth = Bandwidth(pace)
        self._seconds, self._per_host, self._interval_s = seconds, per_host, interval_s
        self._limiters: dict[str, HostRateLimiter] = {}
        self.files_read: Counter[str] = Counter()
        self.asked: list[tuple[str, float]] = []
        self.most: Counter[str] = Counter()
        self.now: Counter[str] = Counter()
        self.busy: Counter[str] = Counter()
        self.released = asyncio.Event()

    def limiter_of(self, url: str) -> HostRateLimiter:
        return self._limiters.setdefault(
            urlsplit(url).hostname, shared_limiter(self._per_host, self._interval_s, 1)
        )

    def site_is_read(self, url: str) -> bool:
        return self.files_read[urlsplit(url).hostname] > 0

    async def read_site_file(self, url: str) -> None:
        host = urlsplit(url).hostname
        async with self.limiter_of(url).slot():
            await self._answer(host)
        self.files_read[host] += 1

    async def ask(self, request: FetchRequest) -> Answer:
        url = request.url
        host = urlsplit(url).hostname
        if self.busy[url] > 0:
            self.busy[url] -= 1
            raise Busy(url, 503, 0)
        async with self.limiter_of(url).slot():
            self.asked.append((url, time.monotonic()))
            self.now.update([host, ""])
            self.most |= self.now
            await self._answer(host)
            self.now.subtract([host, ""])
        self.bandwidth.spend(1000)
        return Answer(url, "ok")

    async def _answer(self, host: str) -> None:
        """A host that takes for ever answers when the test lets it go."""
        if self._seconds[host] == inf:
            await self.released.wait()
            await asyncio.sleep(0.2)
        else:
            await asyncio.sleep(self._seconds[host])

    def pause_host(self, busy: Busy, tries: int) -> None:
        """The test's hosts need no pause."""

    def may_retry(self, busy: Busy, tries: int) -> bool:
        return tries <= 2


def run(
    web: Web,
    urls: list[str],
    batches: int = 1,
    heard: Callable[[list[Answer]], object] = lambda answers: None,
) -> list[Answer]:
    """Ask for everything; `heard` is called with the answers so far at each answer."""
    answers: list[Answer] = []

    def deliver(answer: Answer) -> None:
        answers.append(answer)
        heard(answers)

    given = [
        [FetchRequest(url, lambda *_: None, deliver) for url in urls[n::batches]]
        for n in range(batches)
    ]

    async def refill():
        return given.pop() if given else None

    asyncio.run(asyncio.wait_for(Schedule(web, refill, max_waiting=10).run(), timeout=120))
    return answers


def test_every_url_is_asked_for_once_and_robots_txt_once_a_host():
    urls = [f"https://h{n % 7}.example/{n}" for n in range(300)]
    web = Web({f"h{n}.example": 0.001 for n in range(7)})
    assert sorted(answer.url for answer in run(web, urls, batches=5)) == sorted(urls)
    assert set(web.files_read.values()) == {1}
    assert web.most[""] <= 8
    assert max(web.most[f"h{n}.example"] for n in range(7)) <= 4


def test_nothing_to_ask():
    assert run(Web({}), []) == []


def test_hosts_that_do_not_answer_leave_connections_to_those_that_do():
    slow = {f"slow{n}.example": inf for n in range(40)}
    web = Web({"quick.example": 0.001, **slow})
    # between two requests its connection is free for others
    web.limiter_of("https://quick.example/").slow_down(0.01)
    quick = [f"https://quick.example/{n}" for n in range(50)]
    answers = run(
        web,
        [*quick, *(f"https://{host}/x" for host in slow)],
        heard=lambda so_far: len(so_far) == len(quick) and web.released.set(),
    )
    assert len(answers) == 90
    assert sorted(answer.url for answer in answers[:50]) == sorted(quick)
    assert web.most[""] == 8, "with the quick ones answered, all connections are for the others"


def test_a_pause_between_requests_holds_up_nobody_else():
    web = Web({"a.example": 0, "b.example": 0}, interval_s=0.05)
    started = time.monotonic()
    run(web, [f"https://{host}.example/{n}" for host in "ab" for n in range(5)])
    for host in "ab":
        times = [at for url, at in web.asked if url.startswith(f"https://{host}")]
        # learning about the site took the first turn
        assert all(at - started >= 0.05 * turn for turn, at in enumerate(times, start=1))
    hosts = [urlsplit(url).hostname for url, _ in web.asked]
    assert all({*hosts[n : n + 2]} == {"a.example", "b.example"} for n in range(0, 10, 2))


def test_busy_urls_are_asked_again_and_given_up():
    web = Web({"a.example": 0})
    web.busy.update({"https://a.example/1": 2, "https://a.example/2": 9})
    found = {
        answer.url[-1]: answer.status
        for answer in run(web, [f"https://a.example/{n}" for n in range(4)])
    }
    assert found == {"0": "ok", "1": "ok", "2": "host_busy", "3": "ok"}


def test_bytes_a_second():
    web = Web({"a.example": 0}, pace=10_000, connections=1)
    started = time.monotonic()
    run(web, [f"https://a.example/{n}" for n in range(6)])
    assert web.asked[-1][1] - started >= 0.45


def test_an_error_of_our_own_ends_everything():
    web = Web({"a.example": 0})
    request = FetchRequest("https://a.example/1", lambda *_: None, lambda answer: 1 / 0)
    given = [[request]]

    async def refill():
        return given.pop() if given else None

    with pytest.raises(ExceptionGroup):
        asyncio.run(asyncio.wait_for(Schedule(web, refill, 1).run(), 60))


@pytest.mark.parametrize(
    ("share", "connections", "interval_s"), [(1, 4, 0.5), (2, 2, 1.0), (4, 1, 2.0), (8, 1, 4.0)]
)
def test_an_allowance_that_several_processes_share(share, connections, interval_s):
    limiter = shared_limiter(4, 0.5, share)
    assert (limiter.connections, limiter.interval_s) == (connections, interval_s)
    limiter.slow_down(1)
    assert limiter.interval_s == max(interval_s, share)

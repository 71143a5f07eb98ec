from __future__ import annotations

import asyncio
from threading import Event

import pytest

from pairsieve.explore.line import Line
from pairsieve.explore.refused import Refused

LONG_S = 60.0


def test_what_work_says():
    async def ask(line):
        assert await line.run(lambda: 3, LONG_S) == 3
        with pytest.raises(KeyError):
            await line.run(lambda: {}["x"], LONG_S)

    line = Line("t", 1, 1, 1)
    asyncio.run(ask(line))
    assert not line.works


def test_the_line_is_bounded_in_all_and_for_each_network():
    async def fill(line, go):
        tasks = [asyncio.ensure_future(line.run(go.wait, LONG_S, network)) for network in "aab"]
        await asyncio.sleep(0)
        for network in "ac":
            with pytest.raises(Refused) as refused:
                await line.run(go.wait, LONG_S, network)
            assert (refused.value.status, refused.value.text, refused.value.retry_s > 0) == (
                503,
                "busy",
                True,
            )
        go.set()
        assert await asyncio.gather(*tasks) == [True] * 3
        assert await line.run(lambda: "again", LONG_S, "a") == "again"

    asyncio.run(fill(Line("t", 1, 2, 2), Event()))


def test_networks_take_turns():
    done = []

    async def ask(line, go):
        first = asyncio.ensure_future(line.run(go.wait, LONG_S, "greedy"))
        await asyncio.sleep(0)
        names = ["greedy"] * 5 + ["one", "two"]
        rest = [
            asyncio.ensure_future(line.run(lambda name=name: done.append(name), LONG_S, name))
            for name in names
        ]
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(first, *rest)

    asyncio.run(ask(Line("t", 1, 100, 100), Event()))
    assert set(done[:3]) == {"greedy", "one", "two"}


def test_who_takes_too_long_keeps_the_thread_and_who_waits_too_long_leaves_the_line():
    async def ask(line, go):
        while not line.works:
            with pytest.raises(Refused, match="slow"):
                await line.run(go.wait, 0.05, "a")
        with pytest.raises(Refused, match="slow"):
            await line.run(go.wait, 0.05, "a")
        assert line._inside_of == {"a": 1}
        go.set()
        assert await line.run(lambda: 1, LONG_S, "a") == 1

    line = Line("t", 1, 1, 2)
    asyncio.run(ask(line, Event()))
    assert not line.works
    assert not line._inside_of
    assert not line._waiting

from __future__ import annotations

import asyncio
from threading import Event

import pytest

from pairsieve.explore.refused import Refused
from pairsieve.explore.work_queue import HALF_LIFE_S, NO_TURNS, WorkQueue, with_turn

LONG_S = 60.0


def test_what_work_says():
    async def ask(queue):
        assert await queue.run(lambda: 3, LONG_S) == 3
        with pytest.raises(KeyError):
            await queue.run(lambda: {}["x"], LONG_S)

    queue = WorkQueue("t", 1, 1, 1)
    asyncio.run(ask(queue))
    assert not queue.is_busy


def test_the_line_is_bounded_in_all_and_for_each_network():
    async def fill(queue, go):
        tasks = [asyncio.ensure_future(queue.run(go.wait, LONG_S, network)) for network in "aab"]
        await asyncio.sleep(0)
        for network in "ac":
            with pytest.raises(Refused) as refused:
                await queue.run(go.wait, LONG_S, network)
            assert (refused.value.status, refused.value.text, refused.value.retry_s > 0) == (
                503,
                "busy",
                True,
            )
        go.set()
        assert await asyncio.gather(*tasks) == [True] * 3
        assert await queue.run(lambda: "again", LONG_S, "a") == "again"

    asyncio.run(fill(WorkQueue("t", 1, 2, 2), Event()))


def test_networks_take_turns():
    done = []

    async def ask(queue, go):
        first = asyncio.ensure_future(queue.run(go.wait, LONG_S, "greedy"))
        await asyncio.sleep(0)
        names = ["greedy"] * 5 + ["one", "two"]
        rest = [
            asyncio.ensure_future(queue.run(lambda name=name: done.append(name), LONG_S, name))
            for name in names
        ]
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(first, *rest)

    asyncio.run(ask(WorkQueue("t", 1, 100, 100), Event()))
    assert set(done[:3]) == {"greedy", "one", "two"}


def test_who_asked_little_of_late_is_before_who_asked_much():
    done = []

    async def ask(queue, go):
        for network in ["greedy", "greedy", "rare"]:
            await queue.run(lambda: None, LONG_S, network)
        first = asyncio.ensure_future(queue.run(go.wait, LONG_S, "other"))
        await asyncio.sleep(0)
        rest = [
            asyncio.ensure_future(queue.run(lambda name=name: done.append(name), LONG_S, name))
            for name in ["greedy", "rare", "new"]
        ]
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(first, *rest)

    asyncio.run(ask(WorkQueue("t", 1, 100, 100), Event()))
    assert done == ["new", "rare", "greedy"]


def test_a_turn_counts_half_as_much_after_a_half_life():
    two_old = with_turn(with_turn(NO_TURNS, 0.0), 0.0)
    assert two_old == pytest.approx(with_turn(NO_TURNS, HALF_LIFE_S))


def test_who_takes_too_long_keeps_the_thread_and_who_waits_too_long_leaves_the_line():
    async def ask(queue, go):
        while not queue.is_busy:
            with pytest.raises(Refused, match="slow"):
                await queue.run(go.wait, 0.05, "a")
        with pytest.raises(Refused, match="slow"):
            await queue.run(go.wait, 0.05, "a")
        assert queue._inside_of == {"a": 1}
        go.set()
        assert await queue.run(lambda: 1, LONG_S, "a") == 1

    queue = WorkQueue("t", 1, 1, 2)
    asyncio.run(ask(queue, Event()))
    assert not queue.is_busy
    assert not queue._inside_of
    assert not queue._waiting

"""Answers are examined on other threads, several at a time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pairsieve.web.answer import Answer, FetchRequest
from pairsieve.web.examination import Examiner


def deliver_all(answers, look) -> list[str]:
    """Deliver answers while others still come; return what was delivered, in order."""
    delivered: list[str] = []

    def deliver(answer: Answer) -> None:
        delivered.append(answer.url)

    def examine(answer: Answer):
        result = look(answer)
        return lambda: delivered.append(f"{answer.url} {result}")

    async def run():
        examiner = Examiner()
        async with asyncio.TaskGroup() as group:
            for answer in answers:
                request = FetchRequest(answer.url, lambda *_: None, deliver, examine=examine)
                group.create_task(examiner.deliver(request, answer, group))
                await asyncio.sleep(0.001)

    asyncio.run(run())
    return delivered


def answers(number: int) -> list[Answer]:
    return [Answer(str(n), "ok", body=b"x") for n in range(number)]


def test_every_answer_is_examined_on_another_thread():
    threads = set()

    def look(_answer):
        threads.add(threading.current_thread())
        return "seen"

    delivered = deliver_all(answers(200), look)
    assert sorted(delivered) == sorted(f"{n} seen" for n in range(200))
    assert threading.main_thread() not in threads


def test_an_answer_without_a_body_is_delivered_as_it_is():
    empty = Answer("a", "http_error")
    assert deliver_all([empty], lambda _answer: pytest.fail("examined")) == ["a"]


@pytest.mark.parametrize("number", [2, 150])
def test_a_slow_one_does_not_hold_up_the_others(number):
    others_seen = threading.Semaphore(0)

    def look(answer):
        if answer.url != "0":
            others_seen.release()
            return "seen"
        return all(others_seen.acquire(timeout=30) for _ in range(number - 1))

    delivered = deliver_all(answers(number), look)
    assert "0 True" in delivered
    assert len(delivered) == number


def test_what_was_examined_before_a_slow_one_is_delivered_meanwhile():
    first_delivered = threading.Event()

    def examine(answer: Answer):
        # The first two are examined in the same turn, before the slow one.
        in_time = answer.url != "2" or first_delivered.wait(timeout=30)
        return lambda: (first_delivered.set(), delivered.append((answer.url, in_time)))

    delivered: list[tuple[str, bool]] = []

    async def run():
        examiner = Examiner()
        async with asyncio.TaskGroup() as group:
            for answer in answers(3):
                request = FetchRequest(answer.url, lambda *_: None, print, examine=examine)
                group.create_task(examiner.deliver(request, answer, group))

    asyncio.run(run())
    assert delivered == [("0", True), ("1", True), ("2", True)]


def test_an_error_ends_the_group():
    def look(answer):
        if answer.url == "3":
            raise RuntimeError("a bug")
        return "seen"

    with pytest.raises(ExceptionGroup) as raised:
        deliver_all(answers(9), look)
    assert raised.group_contains(RuntimeError, match="a bug")

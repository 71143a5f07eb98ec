"""Many subjects at a time fail as each of them does by itself."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest

from pairsieve.attempt import Failure, attempt, attempt_each


def fragile(number: int) -> int:
    if number % 3 == 2:
        raise ZeroDivisionError("private words")
    return number * 2


def hides_a_connection(number: int) -> int:
    if number == 1:
        with suppress(Exception), socket.socket() as client:
            client.connect(("127.0.0.1", 9))
    return number


@pytest.mark.parametrize("function", [fragile, hides_a_connection])
@pytest.mark.parametrize("numbers", [[], [0], [2], [0, 1, 2, 3, 4, 5]])
def test_each_as_by_itself(function, numbers, caplog):
    assert attempt_each(function, numbers) == [attempt(function, number) for number in numbers]
    assert "private" not in caplog.text


def test_who_tried_to_connect_is_told():
    assert attempt_each(hides_a_connection, [0, 1, 2]) == [0, Failure("NetworkForbidden"), 2]


def test_who_remembers_is_asked_from_the_beginning():
    """A function that keeps its result does not try to connect a second time."""
    seen: dict[int, int] = {}

    def remembers(number: int) -> int:
        if number not in seen:
            seen[number] = hides_a_connection(number)
        return seen[number]

    found = attempt_each(remembers, [0, 1, 2], again=hides_a_connection)
    assert found == [0, Failure("NetworkForbidden"), 2]


def test_one_failure_is_logged_once(caplog):
    attempt_each(fragile, [0, 2, 3])
    assert caplog.text.count("ZeroDivisionError") == 1

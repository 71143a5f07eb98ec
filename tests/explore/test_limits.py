from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.explore.limits import NETWORKS_OF_A_PROVIDER, BodyMemory, RateLimiter, RateLimits
from pairsieve.explore.refused import Refused


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def counts(limit: str, clock: Clock, **changes) -> RateLimiter:
    return RateLimiter(RateLimits(searches=limit, requests=limit), clock, **changes)


def allowed(found: RateLimiter, addresses, kind="searches") -> int:
    refused = [_refusal(found, address, kind) for address in addresses]
    assert all((error.status, error.retry_s > 0) == (429, True) for error in refused if error)
    return refused.count(None)


def _refusal(found: RateLimiter, address: str, kind: str) -> Refused | None:
    try:
        return found.count(address, kind)
    except Refused as error:
        return error


def test_a_limit_and_its_end():
    clock = Clock()
    found = counts("6/minute", clock)
    assert allowed(found, ["192.0.2.1"] * 10) == 6
    assert allowed(found, ["192.0.2.1"] * 10, "requests") == 6, "each kind has its own count"
    assert allowed(found, ["192.0.2.2"] * 10) == 6
    clock.now += 10.01
    assert allowed(found, ["192.0.2.1"] * 10) == 1
    clock.now += 60.01
    assert allowed(found, ["192.0.2.1"] * 10) == 6


@pytest.mark.parametrize(
    ("limit", "at_once"),
    [("3/hour", 3), ("20/hour", 20), ("30/minute", 20), ("120/minute", 30), ("600/minute", 150)],
)
def test_what_may_be_asked_at_once(limit, at_once):
    clock = Clock()
    found = counts(limit, clock)
    assert allowed(found, ["192.0.2.1"] * 1000) == at_once
    clock.now += 3600
    assert allowed(found, ["192.0.2.1"] * 1000) == at_once


@pytest.mark.parametrize(
    "addresses",
    [
        [f"2001:db8:0:1::{n:x}" for n in range(1, 41)],
        [f"2001:db8:0:1:{n:x}::1" for n in range(40)],
        ["192.0.2.1", "::ffff:192.0.2.1"] * 20,
    ],
)
def test_a_network_is_one(addresses):
    assert allowed(counts("3/hour", Clock()), addresses) == 3


def test_a_provider_is_bounded_too():
    addresses = [f"2001:db8:0:{n:x}::1" for n in range(1000)]
    assert allowed(counts("3/hour", Clock()), addresses) == 3 * NETWORKS_OF_A_PROVIDER


def test_the_memory_is_bounded():
    found = counts("3/hour", Clock(), max_networks=50)
    allowed(found, [f"10.0.{n // 256}.{n % 256}" for n in range(2000)])
    allowed(found, [f"2001:db8:{n:x}::1" for n in range(2000)])
    assert [len(table) for table in found._free_at_s.values()] == [50, 50]


@given(st.lists(st.floats(0, 30), max_size=60), st.integers(1, 10))
def test_no_more_than_twice_the_limit_in_its_time(waits, amount):
    clock, let_in = Clock(), []
    found = counts(f"{amount}/minute", clock)
    for wait in waits:
        clock.now += wait
        if allowed(found, ["192.0.2.1"]):
            let_in.append(clock.now)
    assert all(sum(at <= other < at + 60 for other in let_in) <= 2 * amount for at in let_in)


def test_bodies_held_at_the_same_time():
    held = BodyMemory(max_bytes=100, max_bytes_each=60)
    with (
        held.reserving("192.0.2.1") as one,
        held.reserving("192.0.2.1") as same,
        held.reserving("2001:db8::1") as other,
    ):
        one(40)
        with pytest.raises(Refused, match="busy"):
            same(30)
        other(60)
        with pytest.raises(Refused, match="busy"):
            other(1)
    with held.reserving("192.0.2.1") as again:
        again(60)
    assert (held._bytes, held._bytes_of) == (0, {})

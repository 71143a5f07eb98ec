"""Places of a text that are near each other."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from filters.medical.near import NEAR_CHARS, NearPlaces


class Span(NamedTuple):
    start: int
    end: int


SPANS = st.builds(
    lambda start, length: Span(start, start + length), st.integers(0, 200), st.integers(1, 60)
)


def are_near(place: Span, other: Span) -> bool:
    """The definition, of one pair."""
    gap = max(place.start, other.start) - min(place.end, other.end)
    return 0 < gap <= NEAR_CHARS


@given(st.lists(SPANS), SPANS)
def test_what_is_near_by_its_definition(places, place):
    near = NearPlaces(places).near(place)
    expected = [other for other in places if are_near(place, other)]
    assert sorted(near) == sorted(expected)
    assert [other.start for other in near] == sorted(other.start for other in expected)

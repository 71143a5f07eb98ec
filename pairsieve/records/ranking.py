"""The order in which counts are shown: the largest first."""

from __future__ import annotations

from collections.abc import Iterable


def largest_first(counts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Sort (name, number) by number, the largest first. Equal numbers are sorted by name."""

    def rank(count: tuple[str, int]) -> tuple[int, str]:
        name, number = count
        return -number, name

    return sorted(counts, key=rank)

"""The candidates of a srcset, as browsers read them (HTML standard, 4.8.4.3.10, "parse a srcset
attribute").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isfinite
from typing import NamedTuple

_URL = re.compile(r"[ \t\n\f\r,]*+([^ \t\n\f\r]++)")
# Commas in parentheses do not end a candidate: a later version of the standard may give it some.
_DESCRIPTORS = re.compile(r"((?:[^,(]++|\([^)]*+\)?)*+),?")
_WORD = re.compile(r"[^ \t\n\f\r]+")
_INTEGER = re.compile(r"[0-9]+")
# HTML standard, 2.3.4.3: valid floating-point number
_FLOAT = re.compile(r"-?(?:[0-9]+|[0-9]*\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
MAX_DIGITS = 20  # of a width or height: Python raises an error over integers of 4,300


class Candidate(NamedTuple):
    """A URL as the page wrote it, and its width in pixels or, unless `has_width`, its density."""

    url: str
    size: float
    has_width: bool


def candidates(srcset: str) -> Iterator[Candidate]:
    """The candidates of a srcset; those whose descriptors are not valid are left out."""
    at = 0
    while found := _URL.match(srcset, at):
        url, at = found[1], found.end()
        if url.endswith(","):
            yield Candidate(url.rstrip(","), 1.0, has_width=False)
            continue
        descriptors = _DESCRIPTORS.match(srcset, at)
        assert descriptors is not None  # it matches the empty string
        at = descriptors.end()
        candidate = _candidate(url, descriptors[1])
        if candidate:
            yield candidate


def _candidate(url: str, descriptors: str) -> Candidate | None:
    """A URL with its descriptors; None unless they are one width, one density, or neither.

    A height is allowed beside a width, and means nothing.
    """
    size_of: dict[str, float] = {}
    for word in _WORD.findall(descriptors):
        kind, size = word[-1], _size(word)
        if size is None or kind in size_of:
            return None
        size_of[kind] = size
    if "x" in size_of:
        is_alone = len(size_of) == 1
        return Candidate(url, size_of["x"], has_width=False) if is_alone else None
    if "w" in size_of:
        return Candidate(url, size_of["w"], has_width=True)
    if size_of:
        return None  # a height alone
    return Candidate(url, 1.0, has_width=False)


def _size(word: str) -> float | None:
    """The number of a descriptor; None where it is not valid."""
    number, kind = word[:-1], word[-1]
    if kind == "x" and _FLOAT.fullmatch(number):
        density = float(number)
        return density if isfinite(density) and density >= 0 else None
    if kind in "wh" and len(number) <= MAX_DIGITS and _INTEGER.fullmatch(number):
        return float(number) or None
    return None

"""A site's TDM reservations (`/.well-known/tdmrep.json`, TDM Reservation Protocol, W3C community group report), as lines of robots.txt.

The file is an array of objects with `location` (a path, `*` and `$` as in robots.txt) and `tdm-reservation` (1: reserved). Of
several that fit a path the most restrictive wins here, though the first would in the report. A file that cannot be read
reserves everything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

TDMREP_PATH = "/.well-known/tdmrep.json"
EVERYTHING = "/"


def reserved_locations(text: str) -> Iterator[str]:
    """The paths that a tdmrep.json reserves; everything where it is no such file."""
    try:
        listed: Any = json.loads(text)
    except (ValueError, RecursionError):
        listed = None
    entries: list[Any] = listed if isinstance(listed, list) else [None]
    for entry in entries:
        given = entry if isinstance(entry, dict) else {}
        location = given.get("location")
        if not isinstance(location, str) or not location.startswith("/") or len(location.split()) != 1:
            yield EVERYTHING
        elif str(given.get("tdm-reservation")) == "1":
            yield location


def as_robots_lines(text: str) -> str:
    """The same as preferences that hold for everybody: they stand before the first group of a robots.txt."""
    return "".join(f"Content-Usage: {location} train-ai=n\n" for location in reserved_locations(text))

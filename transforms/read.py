"""WARC files to pages, and to locations of everything that is not a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import apache_beam as beam

from archive.reader import Found, ReadSettings, read_archive
from records.page import Location
from transforms.route import Work, routed

LOCATIONS = "locations"


def make_reader(settings: ReadSettings) -> Work:
    """The function that reads one file."""
    read: Callable[[str], Iterator[Found]] = partial(read_archive, settings=settings)
    return read


@dataclass
class ReadArchives(beam.PTransform):  # type: ignore[misc]
    """Paths -> pages; side outputs "locations", "tally", "problems"."""

    settings: ReadSettings

    def expand(self, paths: beam.PCollection) -> beam.DoOutputsTuple:
        return paths | routed(partial(make_reader, self.settings), outputs={Location: LOCATIONS})

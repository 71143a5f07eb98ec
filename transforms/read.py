"""Inputs to what can be read at the same time, and that to pages, links, and locations of what is
no page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import apache_beam as beam

from pairsieve.attempt import Failure, attempt, each
from pairsieve.links.tables import RowGroup, read_row_group, row_groups
from pairsieve.records.choices import InputKind
from pairsieve.records.link import Link
from pairsieve.records.outcome import Counted, Noted, Rejection
from pairsieve.records.page import Location
from pairsieve.storage import files
from pairsieve.warc.cdx import Excerpt, excerpts
from pairsieve.warc.reader import ReadItem, ReadSettings, read_places, read_split
from pairsieve.warc.splits import Split, split_file
from transforms.plumbing.route import Work, routed

LOCATIONS = "locations"
Piece = Split | Excerpt | RowGroup


@dataclass(frozen=True)
class InputSettings:
    """What inputs are, and how large a piece of one archive is at most (None: every file is read
    whole).
    """

    kind: InputKind = "archives"
    split_bytes: int | None = None
    base: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


def split_input(
    path: str, settings: InputSettings, options: files.Options
) -> Iterator[Piece | Counted | Rejection | Noted]:
    """The pieces of one input that can be read at the same time."""
    yield Counted("file", "in")
    pieces = attempt(lambda at: list(_pieces(at, settings, options)), path, reads_storage=True)
    if isinstance(pieces, Failure):
        yield Rejection(
            "file", f"unreadable_{pieces.error}", "quarantined", files.public_name(path)
        )
        return
    yield Counted("file", "kept")
    yield from (
        Noted("file", f"read_whole_{p.form.replace(' ', '_')}")
        for p in pieces
        if isinstance(p, Split) and p.form != "members"
    )
    yield from pieces


def _pieces(path: str, settings: InputSettings, options: files.Options) -> Iterator[Piece]:
    if settings.kind == "index":
        return excerpts(path, settings.base, options)
    if settings.kind == "pairs":
        return row_groups(path, options)
    return split_file(path, settings.split_bytes, options)


def read_piece(
    piece: Piece, settings: ReadSettings, columns: Mapping[str, str]
) -> Iterator[ReadItem | Link]:
    """What a piece holds, in order."""
    if isinstance(piece, Split):
        return read_split(piece, settings)
    if isinstance(piece, Excerpt):
        return read_places(piece, settings)
    return _read_links(piece, settings.options, columns)


def _read_links(
    piece: RowGroup, options: files.Options, columns: Mapping[str, str]
) -> Iterator[ReadItem | Link]:
    yield Counted("split", "in")
    for link in each(read_row_group(piece, columns, options)):
        if isinstance(link, Failure):
            where = f"{files.public_name(piece.path)}@{piece.first_row}"
            yield Rejection("split", f"unreadable_{link.error}", "quarantined", where)
            return
        yield link
    yield Counted("split", "kept")


def make_splitter(settings: InputSettings, options: files.Options) -> Work:
    """The function that splits one input."""
    split: Callable[[str], Iterator[Any]] = partial(split_input, settings=settings, options=options)
    return split


def make_reader(settings: ReadSettings, columns: Mapping[str, str]) -> Work:
    """The function that reads one piece."""
    return partial(read_piece, settings=settings, columns=columns)


@dataclass
class SplitInputs(beam.PTransform):  # type: ignore[misc]
    """Paths -> pieces, spread over the workers; side outputs "tally", "problems"."""

    settings: InputSettings
    options: files.Options

    def expand(self, paths: beam.PCollection) -> beam.DoOutputsTuple:
        return paths | "Find pieces" >> routed(partial(make_splitter, self.settings, self.options))


@dataclass
class ReadPieces(beam.PTransform):  # type: ignore[misc]
    """Pieces -> pages and links; side outputs "locations", "tally", "problems". The reshuffle
    spreads the pieces.
    """

    settings: ReadSettings
    columns: Mapping[str, str]
    progress_dir: str = ""

    def expand(self, pieces: beam.PCollection) -> beam.DoOutputsTuple:
        read = routed(
            partial(make_reader, self.settings, self.columns),
            outputs={Location: LOCATIONS},
            progress_dir=self.progress_dir,
        )
        return pieces | "Spread pieces" >> beam.Reshuffle() | "Read pages" >> read

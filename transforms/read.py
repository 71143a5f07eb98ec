"""Reads the inputs: first splits them into pieces, then reads pages, links or locations.

Pieces can be read at the same time, by several workers.
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
from pairsieve.storage import files
from pairsieve.warc.cdx import BadRow, Excerpt, excerpts
from pairsieve.warc.reader import ReadItem, ReadSettings, read_places, read_split
from pairsieve.warc.splits import Split, split_file
from transforms.plumbing.counting import Work, counting

Piece = Split | Excerpt | RowGroup


@dataclass(frozen=True)
class InputSettings:
    """What the inputs are.

    `split_bytes` is the largest size of a piece of an archive (None: every file is read whole).
    `base` is put before each file name of an index. `columns` names the columns of link tables.
    """

    kind: InputKind = "archives"
    split_bytes: int | None = None
    base: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)


def split_input(
    path: str, settings: InputSettings, options: files.Options
) -> Iterator[Piece | Counted | Rejection | Noted]:
    """Yield the pieces of one input, and its counts. An unreadable input is quarantined."""
    yield Counted("file", "in")
    list_pieces = partial(_list_pieces, settings=settings, options=options)
    pieces = attempt(list_pieces, path, reads_storage=True)
    if isinstance(pieces, Failure):
        reason = f"unreadable_{pieces.error}"
        yield Rejection("file", reason, "quarantined", files.public_name(path))
        return
    yield Counted("file", "kept")
    for piece in pieces:
        if isinstance(piece, BadRow):
            yield Counted("record", "in")
            where = f"{files.public_name(path)}@{piece.number}"
            yield Rejection("record", "unreadable_row", "quarantined", where)
            continue
        yield piece
        # Only an archive with one gzip member a record ("members") can be split.
        if isinstance(piece, Split) and piece.form != "members":
            yield Noted("file", f"read_whole_{piece.form.replace(' ', '_')}")


def _list_pieces(
    path: str, settings: InputSettings, options: files.Options
) -> list[Piece | BadRow]:
    """The pieces of one input. As a list, so that all of its errors are raised here."""
    if settings.kind == "index":
        return list(excerpts(path, settings.base, options))
    if settings.kind == "pairs":
        return list(row_groups(path, options))
    return list(split_file(path, settings.split_bytes, options))


def read_piece(
    piece: Piece, settings: ReadSettings, columns: Mapping[str, str]
) -> Iterator[ReadItem | Link]:
    """Yield what a piece holds, in its order, and the counts."""
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
    """Paths -> pieces, and counts behind them."""

    settings: InputSettings
    options: files.Options

    def expand(self, paths: beam.PCollection) -> beam.PCollection:
        return paths | "Find pieces" >> counting(
            partial(make_splitter, self.settings, self.options)
        )


@dataclass
class ReadPieces(beam.PTransform):  # type: ignore[misc]
    """Pieces -> pages, links and locations, and counts behind them.

    The reshuffle spreads the pieces over the workers. Runners fuse steps, so without it the worker
    that has split an input would read all of its pieces.
    """

    settings: ReadSettings
    columns: Mapping[str, str]
    progress_dir: str = ""

    def expand(self, pieces: beam.PCollection) -> beam.PCollection:
        read = counting(
            partial(make_reader, self.settings, self.columns), progress_dir=self.progress_dir
        )
        return pieces | "Spread pieces" >> beam.Reshuffle() | "Read pages" >> read

"""Groups the pairs of earlier datasets by bucket, so that they are not taken again.

Their identities go to files in the work directory, and through no shuffle. The worker that
deduplicates a bucket reads the range of each file that belongs to the bucket. A file that is there
already is not written again, so that a run over other inputs does not read the earlier datasets a
second time.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

import apache_beam as beam

from pairsieve.links.tables import RowGroup, read_urls_and_captions, row_groups
from pairsieve.records.choices import Identity
from pairsieve.storage import files
from pairsieve.storage.identities import MAX_IDENTITIES, write_identities
from pairsieve.storage.progress import ProgressWriter
from pairsieve.web.text import clean_caption
from pairsieve.web.urls import absolute, bucket_of_url
from transforms.deduplicate import identity_of
from transforms.plumbing.listing import ListElements
from transforms.plumbing.working_on import named

ROWS_READ = ("known", "in", "")
"""What workers count of the rows of earlier datasets while they read them."""


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A parquet file of an earlier dataset, and the folder for the identities of its pairs.

    The name of the folder stands for everything that the identities depend on.
    """

    path: str
    folder: str


@dataclass(frozen=True, slots=True)
class KnownPiece:
    """Row groups of a file that one worker reads: MAX_IDENTITIES rows, or one row group."""

    path: str
    folder: str
    groups: tuple[RowGroup, ...]

    @property
    def identity_files(self) -> list[str]:
        """The files that its identities go to, MAX_IDENTITIES rows each."""
        first_row = self.groups[0].first_row
        end_row = self.groups[-1].first_row + self.groups[-1].rows
        return [
            files.join(self.folder, f"rows-{first:012d}.identities")
            for first in range(first_row, end_row, MAX_IDENTITIES)
        ]


@dataclass(frozen=True)
class KnownSettings:
    """The earlier datasets, and which pairs are the same as theirs.

    `progress_dir` is the folder in which workers write how far they are.
    """

    earlier: tuple[KnownFile, ...]
    buckets: int
    identity: Identity
    progress_dir: str = ""


def list_pieces(known: KnownFile) -> list[KnownPiece]:
    """The pieces of a file. Raises pyarrow.ArrowInvalid for what is no parquet file, OSError."""
    pieces = []
    few: list[RowGroup] = []
    for group in row_groups(known.path, files.NO_OPTIONS):
        if few and sum(held.rows for held in few) + group.rows > MAX_IDENTITIES:
            pieces.append(KnownPiece(known.path, known.folder, tuple(few)))
            few = []
        few.append(group)
    if few:
        pieces.append(KnownPiece(known.path, known.folder, tuple(few)))
    return pieces


def write_piece(piece: KnownPiece, settings: KnownSettings) -> list[str]:
    """Write the identities of a piece, unless they are there. Returns the paths of their files.

    Raises MissingColumns, pyarrow.ArrowInvalid, OSError.
    """
    paths = piece.identity_files
    if all(map(files.exists, paths)):
        return paths
    rows = _rows(piece, settings.progress_dir)
    for path in paths:
        identities, numbers = _identities(islice(rows, MAX_IDENTITIES), settings)
        write_identities(path, identities, numbers, settings.buckets)
    return paths


def _rows(piece: KnownPiece, progress_dir: str) -> Iterator[tuple[str, str]]:
    """Yield URL and caption of each row, and report how many there were.

    A job that is silent for long is ended.
    """
    teller = ProgressWriter(progress_dir)
    number = 0
    for group in piece.groups:
        for urls, captions in read_urls_and_captions(group, files.NO_OPTIONS):
            yield from zip(urls, captions, strict=True)
            number += len(urls)
            teller.report(Counter({ROWS_READ: number}))


def _identities(
    rows: Iterable[tuple[str, str]], settings: KnownSettings
) -> tuple[bytearray, array[int]]:
    """The identity of each row that may be a pair, and the number of its bucket."""
    identities, numbers = bytearray(), array("I")
    for written, caption in rows:
        url = absolute(written, "")
        if url is None:
            continue  # no pair can have it
        identities += identity_of(url, clean_caption(caption), settings.identity)
        numbers.append(bucket_of_url(url, settings.buckets))
    return identities, numbers


@dataclass
class GroupKnown(beam.PTransform):  # type: ignore[misc]
    """The one element of an Impulse -> the paths of all files of identities.

    A file that cannot be read stops the job: otherwise its pairs would be taken again.
    """

    settings: KnownSettings

    def expand(self, start: beam.PCollection) -> beam.PCollection:
        listed = named(list_pieces)
        written = named(partial(write_piece, settings=self.settings))
        return (
            start
            | "Known files" >> ListElements(self.settings.earlier)
            | "Known pieces" >> beam.FlatMap(listed)
            # Otherwise the worker that lists the pieces of a file also reads them all.
            | "Spread known" >> beam.Reshuffle()
            | "Write identities" >> beam.FlatMap(written)
        )

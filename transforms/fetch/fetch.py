"""Pairs to images: what may not be asked for is not asked for, the rest is asked for once, and
every URL gets one status.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import apache_beam as beam

from pairsieve.records.outcome import Counted, Rejection
from pairsieve.storage import parts
from pairsieve.storage.settled import EarlierImages
from pairsieve.warc.source import ArchiveSettings, fetch_from_archive
from transforms.fetch.lanes import Lane
from transforms.fetch.open_part import Consent, Gate, load_gate
from transforms.fetch.part_shelf import FetchFolders, Shelf
from transforms.fetch.settings import StoreSettings
from transforms.fetch.store import open_stores
from transforms.fetch.web_lane import WebSource, fetch_from_web
from transforms.locations import LocationIndex
from transforms.plumbing.route import Work, routed


@dataclass(frozen=True)
class Fetcher:
    """Consent with its detectors loaded, where images come from, and where everything goes."""

    gate: Gate
    source: WebSource | ArchiveSettings
    folders: FetchFolders
    store: StoreSettings
    transient: Sequence[str] = ()

    def __call__(self, lane: Lane) -> Iterator[Rejection | Counted]:
        """Fetch every part of a lane that is not there yet. Raises StoreFull."""
        done = set(parts.part_names(self.folders.images))
        names = [name for name in lane.names if name not in done]
        with open_stores(self.folders.pictures, self.store, lane.lanes) as stores:
            shelf = Shelf(
                self.gate, self.folders, self.transient, stores, EarlierImages(self.folders.earlier)
            )
            if isinstance(self.source, WebSource):
                yield from fetch_from_web(lane, names, shelf, self.source)
            else:
                yield from _fetch_from_archive(names, shelf, self.source)


def _fetch_from_archive(
    names: Sequence[str], shelf: Shelf, source: ArchiveSettings
) -> Iterator[Rejection | Counted]:
    locations = LocationIndex(shelf.folders.pairs, shelf.folders.buckets)
    for name in sorted(names):
        with ExitStack() as stack:
            part = shelf.open(name, stack)
            fetch_from_archive(part.orders(), locations.find, source)
            yield from shelf.finish(name, part, stack)


def _make_fetcher(images: FetchImages) -> Work:
    return Fetcher(
        load_gate(images.consent), images.source, images.folders, images.store, images.transient
    )


@dataclass
class FetchImages(beam.PTransform):  # type: ignore[misc]
    """Lanes -> image parts (and picture bytes) in their folders; output "tally"."""

    consent: Consent
    source: WebSource | ArchiveSettings
    folders: FetchFolders
    store: StoreSettings
    transient: Sequence[str]

    def expand(self, lanes: beam.PCollection) -> beam.DoOutputsTuple:
        return lanes | "Fetch lanes" >> routed(partial(_make_fetcher, self))

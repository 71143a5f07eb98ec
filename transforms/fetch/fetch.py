"""Fetch images: every URL that the rules allow is requested once, and gets one status."""

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
from transforms.fetch.part_shelf import FetchFolders, ImageParts
from transforms.fetch.settings import StoreSettings
from transforms.fetch.store import open_stores
from transforms.fetch.web_lane import WebSource, fetch_from_web
from transforms.locations import LocationIndex
from transforms.plumbing.counting import Work, counting


@dataclass(frozen=True)
class Fetcher:
    """Fetches lanes of parts, from the web or from the archive that the pairs come from."""

    gate: Gate
    source: WebSource | ArchiveSettings
    folders: FetchFolders
    store: StoreSettings
    transient: Sequence[str] = ()

    def __call__(self, lane: Lane) -> Iterator[Rejection | Counted]:
        """Fetch every part of a lane that is not written yet. Raises StoreFull."""
        # The job lists unfinished parts only. But a runner that tries a lane again gives all of it.
        done = set(parts.part_names(self.folders.images))
        names = [name for name in lane.names if name not in done]
        earlier = EarlierImages(self.folders.earlier)
        with open_stores(self.folders.pictures, self.store, lane.lanes) as stores:
            image_parts = ImageParts(self.gate, self.folders, self.transient, stores, earlier)
            if isinstance(self.source, WebSource):
                yield from fetch_from_web(lane, names, image_parts, self.source)
            else:
                yield from _fetch_from_archive(names, image_parts, self.source)


def _fetch_from_archive(
    names: Sequence[str], image_parts: ImageParts, source: ArchiveSettings
) -> Iterator[Rejection | Counted]:
    """Fetch parts one after the other: nothing waits for a host, so none has to overlap."""
    locations = LocationIndex(image_parts.folders.pairs, image_parts.folders.buckets)
    for name in sorted(names):
        with ExitStack() as stack:
            part = image_parts.open(name, stack)
            fetch_from_archive(part.requests(), locations.find, source)
            yield from image_parts.finish(name, part, stack)


def _make_fetcher(images: FetchImages) -> Work:
    gate = load_gate(images.consent)
    return Fetcher(gate, images.source, images.folders, images.store, images.transient)


@dataclass
class FetchImages(beam.PTransform):  # type: ignore[misc]
    """Lanes -> image parts and picture bytes in their folders; yields counts."""

    consent: Consent
    source: WebSource | ArchiveSettings
    folders: FetchFolders
    store: StoreSettings
    transient: Sequence[str]

    def expand(self, lanes: beam.PCollection) -> beam.PCollection:
        return lanes | "Fetch lanes" >> counting(partial(_make_fetcher, self))

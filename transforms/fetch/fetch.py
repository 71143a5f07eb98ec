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
class FetchSettings:
    """Settings of a fetch: its detectors and rules, its source (web or archive), its folders.

    `transient` are the statuses of earlier fetches that are asked again.
    """

    consent: Consent
    source: WebSource | ArchiveSettings
    folders: FetchFolders
    store: StoreSettings
    transient: Sequence[str] = ()


@dataclass(frozen=True)
class Fetcher:
    """Fetches lanes of parts. `gate` is the consent of the settings, loaded."""

    gate: Gate
    settings: FetchSettings

    def __call__(self, lane: Lane) -> Iterator[Rejection | Counted]:
        """Fetch every part of a lane that is not written yet. Raises StoreFull."""
        # The job lists unfinished parts only. But a runner that tries a lane again gives all of it.
        settings = self.settings
        folders, source = settings.folders, settings.source
        done = set(parts.part_names(folders.images))
        names = [name for name in lane.names if name not in done]
        earlier = EarlierImages(folders.earlier)
        with open_stores(folders.pictures, settings.store, lane.lanes) as stores:
            image_parts = ImageParts(self.gate, folders, settings.transient, stores, earlier)
            if isinstance(source, WebSource):
                yield from fetch_from_web(lane, names, image_parts, source)
            else:
                yield from _fetch_from_archive(names, image_parts, source)


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


def _make_fetcher(settings: FetchSettings) -> Work:
    return Fetcher(load_gate(settings.consent), settings)


@dataclass
class FetchImages(beam.PTransform):  # type: ignore[misc]
    """Lanes -> image parts, which hold their counts, and picture bytes, in their folders."""

    settings: FetchSettings

    def expand(self, lanes: beam.PCollection) -> beam.PCollection:
        make = partial(_make_fetcher, self.settings)
        return lanes | "Fetch lanes" >> counting(make, without_counts=True)

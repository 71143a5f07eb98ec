"""Parts opened and put in place: what earlier fetches settled, what a killed run had learned, what
is stored.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa

from pairsieve.records.outcome import Counted, Rejection, tally_of
from pairsieve.records.pair import PAIR_SCHEMA, Pair
from pairsieve.records.sample import IMAGE_SCHEMA, Image
from pairsieve.records.table import from_table, schema_with, to_table
from pairsieve.storage import files, parts
from pairsieve.storage.journal import Entry, Journal, salvaged
from pairsieve.storage.settled import (
    EarlierImages,
    EarlierResults,
    SettledImage,
    forget_previous,
    settled_images,
)
from transforms.fetch.open_part import Gate, Keep, OpenPart, open_part
from transforms.fetch.store import Stores

Outcomes = list[Rejection | Counted]


@dataclass(frozen=True)
class FetchFolders:
    """Where the pairs are, in how many buckets, where images go, where picture bytes go while they
    are needed, and what is there of earlier fetches.
    """

    pairs: str
    images: str
    pictures: str
    buckets: int
    earlier: EarlierResults = field(default_factory=EarlierResults)


@dataclass(frozen=True)
class Shelf:
    """Opens parts and puts their images in place."""

    gate: Gate
    folders: FetchFolders
    transient: Sequence[str]
    stores: Stores
    earlier: EarlierImages

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.folders.images, self.schema)

    @property
    def schema(self) -> pa.Schema:
        return schema_with(IMAGE_SCHEMA, self.gate.columns)

    def open(self, name: str, stack: ExitStack) -> OpenPart:
        """Read a part's pairs; what its answers bring is stored until `stack` is closed."""
        pairs = from_table(parts.read_part(self.folders.pairs, name), Pair, PAIR_SCHEMA)
        own = settled_images(
            self.folders.images, name, self.transient, self.folders.earlier, self.folders.pictures
        )
        found = self.earlier.of(name)
        known = {
            pair.key: found[pair.key] for pair in pairs if pair.key not in own and pair.key in found
        }
        store = stack.enter_context(self.stores.open(name, keep=bool(own)))
        part = open_part(
            pairs, self.gate, store.add, {**{key: one.image for key, one in known.items()}, **own}
        )
        part.describe = store.described
        _take_over(known.values(), store.add)
        answered = self.journal.of(name)
        # of pictures made smaller it is not known what they were
        if answered and self.stores.settings.side is None:
            part.take_again(answered, salvaged(self.folders.pictures, name))
        return part

    def save(self, opened: Mapping[str, OpenPart]) -> None:
        """Put in place what was answered since the last time."""
        entries: list[Entry] = []
        for name, part in opened.items():
            unsaved, part.unsaved = part.unsaved, []
            entries += [Entry(name, url, image) for url, image in unsaved]
        if entries:
            self.journal.write(entries)

    def finish(self, name: str, part: OpenPart, stack: ExitStack) -> Outcomes:
        """Put the pictures, then the images in place."""
        stack.close()
        images = part.images()
        outcomes = [image_outcome(image) for image in images]
        parts.write_part(
            self.folders.images, name, to_table(images, self.schema), tally_of(outcomes)
        )
        forget_previous(self.folders.images, name)
        for path in files.leftovers(parts.pictures_path(self.folders.pictures, name)):
            files.remove_file(path)
        return outcomes


def _take_over(known: Collection[SettledImage], keep: Keep) -> None:
    """Bytes of pictures that an earlier fetch has stored."""
    for folder, name in sorted({found.bytes_at for found in known if found.bytes_at}):
        with parts.open_pictures(folder, name) as stored:
            for sha256 in sorted(
                {found.image.sha256 or "" for found in known if found.bytes_at == (folder, name)}
            ):
                keep(sha256, stored.read(sha256))


def image_outcome(image: Image) -> Rejection | Counted:
    """How an image is counted."""
    if image.errors:
        return Rejection("pair", f"error:{image.errors[0]}", "quarantined")
    return Counted("pair", "kept") if image.status == "ok" else Rejection("pair", image.status)

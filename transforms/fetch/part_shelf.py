"""Opens parts for fetching, and writes their images.

A part that is opened takes over what is known already: images of earlier fetches, and the answers
of a run that was killed.
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
from transforms.fetch.open_part import Gate, OpenPart, StorePicture, open_part
from transforms.fetch.store import Stores

Outcomes = list[Rejection | Counted]


@dataclass(frozen=True)
class FetchFolders:
    """Folders of the fetch stage.

    `pairs` are its input, in `buckets` buckets of hosts. `images` is its result. `pictures` holds
    the bytes of pictures while they are needed. `earlier` are the results of earlier fetches.
    """

    pairs: str
    images: str
    pictures: str
    buckets: int
    earlier: EarlierResults = field(default_factory=EarlierResults)


@dataclass(frozen=True)
class ImageParts:
    """The image parts of one worker: opened, saved in a journal, and finished."""

    gate: Gate
    folders: FetchFolders
    transient: Sequence[str]
    stores: Stores
    earlier: EarlierImages

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.folders.images, self.schema)

    @property
    def result_folder(self) -> str:
        return self.folders.images

    @property
    def schema(self) -> pa.Schema:
        return schema_with(IMAGE_SCHEMA, self.gate.columns)

    def open(self, name: str, stack: ExitStack) -> OpenPart:
        """Read a part's pairs. Its picture store stays open until `stack` is closed."""
        pairs = from_table(parts.read_part(self.folders.pairs, name), Pair, PAIR_SCHEMA)
        # Images of this part, from before it was opened again.
        own = settled_images(
            self.folders.images, name, self.transient, self.folders.earlier, self.folders.pictures
        )
        # Images of the same pairs, from earlier fetches.
        earlier_images = self.earlier.of(name)
        reused = {}
        for pair in pairs:
            if pair.key not in own and pair.key in earlier_images:
                reused[pair.key] = earlier_images[pair.key]
        settled = {key: earlier.image for key, earlier in reused.items()}
        settled.update(own)

        # A part that was reopened keeps the pictures that it has: settled images are not asked
        # again.
        store = stack.enter_context(self.stores.open(name, keep=bool(own)))
        part = open_part(pairs, self.gate, store.add, settled)
        part.describe = store.described
        part.flush = store.flush
        _copy_pictures(reused.values(), store.add_stored)
        journal = self.journal.of(name)
        # Reduced pictures are not restored: the journal does not hold their original size.
        if journal and self.stores.settings.side is None:
            part.restore(journal, salvaged(self.folders.pictures, name), store.add_stored)
        return part

    def save(self, opened: Mapping[str, OpenPart]) -> None:
        """Write the answers since the last call to the journal."""
        entries: list[Entry] = []
        for name, part in opened.items():
            unsaved = part.unsaved
            # A new list: answers may come while the journal is written.
            part.unsaved = []
            if unsaved:
                part.flush()  # the journal names no picture that a killed run would lose
            entries += [Entry(name, url, image) for url, image in unsaved]
        if entries:
            self.journal.write(entries)

    def finish(self, name: str, part: OpenPart, stack: ExitStack) -> Outcomes:
        """Write a part whose URLs are all answered: first its pictures, then its images.

        A part that is there then has its pictures. After a crash in between the next run finds them
        in the store.
        """
        stack.close()
        images = part.images()
        outcomes = [image_outcome(image) for image in images]
        table = to_table(images, self.schema)
        parts.write_part(self.folders.images, name, table, tally_of(outcomes))
        # Not before: until the part is there, nothing else has the rows of its settled images.
        forget_previous(self.folders.images, name)
        # Unfinished stores of killed runs: what they held is in the store now.
        for path in files.leftovers(parts.pictures_path(self.folders.pictures, name)):
            files.remove_file(path)
        return outcomes


def _copy_pictures(reused: Collection[SettledImage], store: StorePicture) -> None:
    """Copy the pictures that earlier fetches stored."""
    hashes_by_store: dict[tuple[str, str], set[str]] = {}
    for earlier in reused:
        if earlier.bytes_at:
            hashes = hashes_by_store.setdefault(earlier.bytes_at, set())
            hashes.add(earlier.image.sha256 or "")
    # In order, so that the store's bytes do not depend on the order of a set.
    for folder, name in sorted(hashes_by_store):
        with parts.open_pictures(folder, name) as stored:
            for sha256 in sorted(hashes_by_store[folder, name]):
                store(sha256, stored.read(sha256))


def image_outcome(image: Image) -> Rejection | Counted:
    """How an image is counted."""
    if image.errors:
        return Rejection("pair", f"error:{image.errors[0]}", "quarantined")
    if image.status != "ok":
        return Rejection("pair", image.status)
    return Counted("pair", "kept")

"""What stays out: what people asked to be taken out, and pictures on hash lists of others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import pyarrow as pa

from filters.detector import Columns, MissingModel, Needs, Observe
from filters.rule import Action, Decision, Readable
from pairsieve.erasure.list_file import UnreadableList
from pairsieve.erasure.lists import HashList, ListKind, read_lists
from pairsieve.erasure.tombstones import (
    IMAGE_URL,
    MD5,
    PAGE_URL,
    SHA256,
    NoTombstones,
    Tombstones,
    read_tombstones,
)
from pairsieve.web.urls import canonical


@dataclass(frozen=True)
class Erasure:
    """Drop what was erased. URLs, pages and places are not even asked for; the picture does not
    come back from another place either, nor re-encoded, turned or mirrored. `tombstones`: the
    folder that `pairsieve erase` was given.
    """

    name: ClassVar[str] = "erasure"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("pdq",)
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = True

    tombstones: str

    @cached_property
    def stones(self) -> Tombstones:
        """What was taken out. Raises NoTombstones."""
        return read_tombstones(self.tombstones)

    @property
    def key_ids(self) -> frozenset[str]:
        """The ids of the keys that are known. Raises NoTombstones."""
        return frozenset(key.id for key in self.stones.keys)

    def prepare(self) -> str:
        """Read the tombstones; what they are, as hex digits. Raises MissingModel."""
        try:
            stones = self.stones
        except NoTombstones as error:
            raise MissingModel(str(error)) from None
        return _digest(
            [
                *(key.id for key in stones.keys),
                *sorted(map(str, stones.tokens.items())),
                *stones.pdq,
            ]
        )

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        stones = self.stones
        url, page, final = evidence["url"], evidence["page_url"], evidence.get("final_url")
        if any(stones.has(IMAGE_URL, canonical(one)) for one in (url, final) if one):
            yield Decision(Action.DROP, "erased_url")
        if page and stones.has(PAGE_URL, canonical(page)):
            yield Decision(Action.DROP, "erased_page")
        if any(stones.has_place(one) for one in (url, page, final)):
            yield Decision(Action.DROP, "erased_place")
        if stones.has(SHA256, evidence.get("sha256")) or stones.has(MD5, evidence.get("md5")):
            yield Decision(Action.DROP, "erased_picture")
        distance = stones.alike(evidence.get("pdq"))
        if distance is not None:
            yield Decision(Action.DROP, "erased_picture_alike", score=distance)


@dataclass(frozen=True)
class ContentSha1:
    """SHA-1 of the picture's bytes, for hash lists that have nothing better; not published."""

    name: ClassVar[str] = "content_sha1"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.CONTENT
    columns: ClassVar[Columns] = {"content_sha1": pa.string()}

    def load(self) -> Observe:
        return lambda content: {
            "content_sha1": hashlib.sha1(content.body, usedforsecurity=False).hexdigest()
        }


@dataclass(frozen=True)
class HashLists:
    """Drop pictures on lists of known hashes, without a link being opened. `files`: path -> auto,
    md5, sha1, sha256 or pdq.

    The ledger holds these decisions without the identity of their row: counts, and nothing that
    leads to a picture.
    """

    name: ClassVar[str] = "hash_lists"
    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("pdq", "content_sha1")
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = False

    files: Mapping[str, ListKind]

    @cached_property
    def _list(self) -> HashList:
        return read_lists(self.files)

    def prepare(self) -> str:
        """Read the lists; what they are, as hex digits. Raises MissingModel."""
        try:
            known = self._list.known
        except UnreadableList as error:
            raise MissingModel(str(error)) from None
        return _digest(
            f"{kind} {value}" for kind, values in known.items() for value in sorted(values)
        )

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        kind = self._list.match(
            evidence["md5"], evidence["content_sha1"], evidence["sha256"], evidence.get("pdq")
        )
        if kind:
            yield Decision(Action.DROP, f"hash_list_{kind}", unlinked=True)


def _digest(lines: Iterable[Any]) -> str:
    found = hashlib.sha256()
    for line in lines:
        found.update(f"{line}\n".encode())
    return found.hexdigest()

"""Rules that keep pictures out: those that people asked to erase, and those on lists of hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import pyarrow as pa

from filters.detector import Columns, MissingModel, Needs, Observe
from filters.rule import Action, Decision, Readable
from filters.subjects import Content
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
from pairsieve.records.origin_columns import PDQ_COLUMNS
from pairsieve.records.pair import Evidence
from pairsieve.web.places import address_key


@dataclass(frozen=True)
class Erasure:
    """Drop what was erased before.

    Erased URLs, pages and sites are dropped before the fetch, so they are not requested. An erased
    picture stays out when it comes back from another URL, re-encoded, turned, mirrored or with a
    border.

    `tombstones`: the folder that `pairsieve erase` writes its tombstones to.
    """

    name: ClassVar[str] = "erasure"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("pdq",)
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = True

    tombstones: str

    @cached_property
    def stones(self) -> Tombstones:
        """The tombstones, read once. Raises NoTombstones."""
        return read_tombstones(self.tombstones)

    @property
    def key_ids(self) -> frozenset[str]:
        """The ids of the secret keys that the tombstones were made with. Raises NoTombstones."""
        return frozenset(key.id for key in self.stones.keys)

    def prepare(self) -> str:
        """Read the tombstones; returns a digest of them in hex.

        Raises MissingModel when they cannot be read.
        """
        return self._content_digest

    @cached_property
    def _content_digest(self) -> str:
        # Sorting all tokens takes its time, and a run asks for the digest more than once.
        try:
            stones = self.stones
        except NoTombstones as error:
            raise MissingModel(str(error)) from None
        key_ids = [key.id for key in stones.keys]
        # Sorted one by one: the order of a set differs from process to process.
        tokens = sorted(
            f"{key_id} {token}" for key_id, held in stones.tokens.items() for token in held
        )
        return _digest([*key_ids, *tokens, *stones.pdq])

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        stones = self.stones
        # before the fetch there is no final URL, no hash and no PDQ
        url, page_url, final_url = evidence["url"], evidence["page_url"], evidence.get("final_url")
        image_urls = [address_key(image_url) for image_url in (url, final_url) if image_url]
        if any(stones.has(IMAGE_URL, image_url) for image_url in image_urls):
            yield Decision(Action.DROP, "erased_url")
        if page_url and stones.has(PAGE_URL, address_key(page_url)):
            yield Decision(Action.DROP, "erased_page")
        if any(stones.has_place(any_url) for any_url in (url, page_url, final_url)):
            yield Decision(Action.DROP, "erased_place")
        if stones.has(SHA256, evidence.get("sha256")) or stones.has(MD5, evidence.get("md5")):
            yield Decision(Action.DROP, "erased_picture")
        distance_bits = stones.alike(evidence)
        if distance_bits is not None:
            yield Decision(Action.DROP, "erased_picture_alike", score=distance_bits)


@dataclass(frozen=True)
class ContentSha1:
    """SHA-1 of the picture's bytes, for hash lists that hold no better hash; not published."""

    name: ClassVar[str] = "content_sha1"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.CONTENT
    columns: ClassVar[Columns] = {"content_sha1": pa.string()}

    def load(self) -> Observe:
        def observe(content: Content) -> Evidence:
            digest = hashlib.sha1(content.body, usedforsecurity=False)
            return {"content_sha1": digest.hexdigest()}

        return observe


@dataclass(frozen=True)
class HashLists:
    """Drop pictures whose hash is on a list, without following any link.

    `files`: path -> auto, md5, sha1, sha256 or pdq.

    The ledger holds these decisions without the identity of their row: it gives counts, and nothing
    that leads to a picture.
    """

    name: ClassVar[str] = "hash_lists"
    version: ClassVar[int] = 2
    reads: ClassVar[tuple[str, ...]] = ("pdq", "content_sha1")
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP,)
    saves_request: ClassVar[bool] = False

    files: Mapping[str, ListKind]

    @cached_property
    def _list(self) -> HashList:
        return read_lists(self.files)

    def prepare(self) -> str:
        """Read the lists; returns a digest of them in hex.

        Raises MissingModel when one cannot be read.
        """
        return self._content_digest

    @cached_property
    def _content_digest(self) -> str:
        try:
            known = self._list.known
        except UnreadableList as error:
            raise MissingModel(str(error)) from None
        lines: list[str] = []
        for kind, hashes in known.items():
            lines.extend(f"{kind} {value}" for value in sorted(hashes))
        return _digest(lines)

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        hashes = [evidence[name] for name in PDQ_COLUMNS if evidence.get(name)]
        kind = self._list.match(
            evidence["md5"], evidence["content_sha1"], evidence["sha256"], hashes
        )
        if kind:
            yield Decision(Action.DROP, f"hash_list_{kind}", unlinked=True)


def _digest(lines: Iterable[Any]) -> str:
    """SHA-256 of lines, in hex."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()

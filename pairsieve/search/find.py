"""One search behind command, JSON and page: by words, meaning, example picture, or address;
narrowed down, sorted, counted, paged.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import tantivy

from pairsieve.records.manifest import Manifest
from pairsieve.search.example import Example
from pairsieve.search.hashes import HashIndex
from pairsieve.search.index import SHARDS, WORDS, BadIndex, Indexed, lists_name, read_index
from pairsieve.search.sources import Vectors
from pairsieve.search.vectors import VectorIndex
from pairsieve.search.words import EXACT, FACETS, Narrowed, open_words, row_id
from pairsieve.web.urls import address_key

Sort = Literal["best", "similarity"]
EXACT_FILTERS = ("host", *FACETS)
"""By which results are narrowed down."""
MOST_ALIKE = 200  # of the nearest pictures; beyond them nothing looks alike
MOST_PAGES, MOST_PER_PAGE, MOST_VALUES = 500, 100, 10
VectorsOf = Callable[[str], Vectors]
"""A model's name -> the unit vector of what is looked for."""


@dataclass(frozen=True)
class Query:
    """What is looked for; what is given narrows down together. `exact`: a name of EXACT_FILTERS ->
    values, of which one must be there.
    """

    words: str = ""
    image_url: str = ""
    page_url: str = ""
    exact: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sort: Sort = "best"
    page: int = 1
    per_page: int = 20

    @property
    def leaves_all(self) -> bool:
        """Whether it narrows nothing down, and asks for the best first."""
        return self.sort == "best" and not (
            self.words.strip() or self.image_url or self.page_url or any(self.exact.values())
        )

    @property
    def narrowed(self) -> Narrowed:
        """The part that words and values decide."""
        addresses = {"image": self.image_url, "page": self.page_url}
        found = {name: [address_key(url)] for name, url in addresses.items() if url}
        return Narrowed(
            self.words, {**{k: v for k, v in self.exact.items() if k in EXACT}, **found}
        )


@dataclass(frozen=True)
class Hit:
    """A row, how good it is (by words: BM25; by picture: cosine, or 1), and how it was found."""

    id: int
    row: Mapping[str, Any]
    score: float
    why: str = ""


@dataclass(frozen=True)
class Found:
    """A page of hits, how many there are in all, and how many bear which value (not of those found
    by an example picture).
    """

    hits: Sequence[Hit]
    total: int
    facets: Mapping[str, Sequence[tuple[str, int]]]


@dataclass(frozen=True)
class Search:
    """An opened index."""

    folder: str
    indexed: Indexed

    @cached_property
    def _index(self) -> tantivy.Index:
        return open_words(str(Path(self.folder) / WORDS))

    @cached_property
    def _searcher(self) -> tantivy.Searcher:
        return self._index.searcher()

    @cached_property
    def _spaces(self) -> Mapping[str, VectorIndex]:
        found = {}
        for space, probes in self.indexed.spaces.items():
            shards = [
                (number, self._shard(number))
                for source, number in self.indexed.shards
                if source.space == space
            ]
            found[space] = VectorIndex(
                shards, Path(self.folder) / lists_name(space) if probes else None, probes
            )
        return found

    @cached_property
    def _hashes(self) -> HashIndex:
        return HashIndex([(number, self._shard(number)) for _, number in self.indexed.shards])

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(os.cpu_count() or 1)

    def _shard(self, number: int) -> Path:
        return Path(self.folder) / SHARDS / f"{number:05d}"

    def by_words(self, query: Query) -> Found:
        """Rows that hold all words and values, the best or the most similar pairs first."""
        asked = query.narrowed.query(self._index)
        sort = (
            {"order_by_field": "similarity"}
            if query.sort == "similarity" or not query.words.strip()
            else {}
        )
        per_page, skipped = _place(query)
        found = self._searcher.search(asked, per_page, count=True, offset=skipped, **sort)
        ids = self._ids([address for _, address in found.hits])
        hits = [
            Hit(one, self._row(address), float(score or 0.0))
            for one, (score, address) in zip(ids, found.hits, strict=True)
        ]
        return Found(hits, found.count, self._facets(asked))

    def by_meaning(self, query: Query, vectors_of: VectorsOf) -> Found:
        """Rows whose pictures are nearest to a text or a picture, among those that the query
        leaves. Raises BadIndex.
        """
        if not self._spaces:
            raise BadIndex(
                "the dataset was published without vectors (publish.embeddings), by which meaning "
                "is found"
            )
        return self._among(query, self._looking_alike(vectors_of), facets=True)

    def by_picture(
        self, query: Query, example: Example, vectors_of: VectorsOf | None = None
    ) -> Found:
        """First the same file, then the same picture turned, mirrored or encoded anew, then (with
        vectors) what looks like it.
        """
        alike = self._pool.submit(self._looking_alike, vectors_of) if vectors_of else None
        same_hash = self._hashes.alike(example.pdq)  # meanwhile, on another core
        found = alike.result() if alike else {}
        for number, row, bits in same_hash:
            found[row_id(number, row)] = 2.0 - bits / 256, "same picture"
        for name, value in (("sha256", example.sha256), ("md5", example.md5)):
            if value:
                same = self._searcher.search(
                    Narrowed("", {name: [value]}).query(self._index), MOST_ALIKE
                )
                found |= dict.fromkeys(
                    self._ids([address for _, address in same.hits]), (3.0, "same file")
                )
        return self._among(query, found)

    def nearest(self, space: str, vector: Vectors, most: int) -> list[tuple[int, int, float]]:
        """(shard, row, cosine) of the nearest vectors of a model, the nearest first."""
        return self._spaces[space].nearest(vector, most)

    def _looking_alike(self, vectors_of: VectorsOf) -> dict[int, tuple[float, str]]:
        near = (
            (space, self.nearest(space, vectors_of(space), MOST_ALIKE)) for space in self._spaces
        )
        return {
            row_id(shard, row): (cosine, "looks alike")
            for _, hits in near
            for shard, row, cosine in hits
        }

    def _among(
        self, query: Query, found: Mapping[int, tuple[float, str]], facets: bool = False
    ) -> Found:
        """Those of the found that the query leaves, the best first."""
        if query.leaves_all and not facets:
            return self._page_of(query, found)
        named = self._named(list(found))
        asked = tantivy.Query.boolean_query(
            [(tantivy.Occur.Must, query.narrowed.query(self._index)), (tantivy.Occur.Must, named)]
        )
        addresses = [
            address for _, address in self._searcher.search(asked, max(1, len(found))).hits
        ]
        ids = self._ids(addresses)
        by_pair = query.sort == "similarity" and addresses
        scores = (
            self._searcher.fast_field_values("similarity", addresses)
            if by_pair
            else [found[one][0] for one in ids]
        )
        ordered = sorted(
            zip(scores, ids, addresses, strict=True), key=lambda one: (-one[0], one[1])
        )
        per_page, skipped = _place(query)
        hits = [
            Hit(one, self._row(address), *found[one])
            for _, one, address in ordered[skipped : skipped + per_page]
        ]
        return Found(hits, len(ordered), self._facets(asked) if facets else {})

    def _page_of(self, query: Query, found: Mapping[int, tuple[float, str]]) -> Found:
        """A page of all that was found: only its rows are looked up."""
        per_page, skipped = _place(query)
        wanted = sorted(found, key=lambda one: (-found[one][0], one))[skipped : skipped + per_page]
        addresses = [
            address
            for _, address in self._searcher.search(self._named(wanted), max(1, len(wanted))).hits
        ]
        rows = {
            one: self._row(address)
            for one, address in zip(self._ids(addresses), addresses, strict=True)
        }
        return Found([Hit(one, rows[one], *found[one]) for one in wanted], len(found), {})

    def _named(self, ids: Sequence[int]) -> tantivy.Query:
        return tantivy.Query.const_score_query(
            tantivy.Query.term_set_query(self._index.schema, "id", list(ids)), 1.0
        )

    def _ids(self, addresses: Sequence[tantivy.DocAddress]) -> list[int]:
        return list(self._searcher.fast_field_values("id", list(addresses))) if addresses else []

    def _row(self, address: tantivy.DocAddress) -> Mapping[str, Any]:
        row: Mapping[str, Any] = json.loads(bytes(self._searcher.doc(address)["row"][0]))
        return row

    def _facets(self, asked: tantivy.Query) -> dict[str, list[tuple[str, int]]]:
        wanted = {name: {"terms": {"field": name, "size": MOST_VALUES}} for name in FACETS}
        said = self._searcher.aggregate(asked, wanted)
        return {
            name: [(bucket["key"], int(bucket["doc_count"])) for bucket in said[name]["buckets"]]
            for name in FACETS
        }


def _place(query: Query) -> tuple[int, int]:
    per_page = min(max(1, query.per_page), MOST_PER_PAGE)
    return per_page, (min(max(1, query.page), MOST_PAGES) - 1) * per_page


def open_search(folder: str) -> Search:
    """Open an index. Raises BadIndex."""
    return Search(folder, read_index(folder))


def check_version(indexed: Indexed, manifest: Manifest) -> None:
    """Raise BadIndex where an index is of another version of the dataset: it could show who was
    taken out.
    """
    if indexed.version != manifest.version or indexed.models != manifest.models:
        raise BadIndex(
            f"the index is of version {indexed.version}, the dataset is version "
            f"{manifest.version}; "
            "bring it up to date with pairsieve index"
        )

"""Search an index by words, meaning, example picture or address; filter, sort, count and page.

The command line, the JSON interface and the search page all use this module.
"""

from __future__ import annotations

import json
import os
from collections import Counter
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
from pairsieve.search.index import (
    HASH_TABLES,
    SHARDS,
    BadIndex,
    IndexContents,
    lists_name,
    read_index,
)
from pairsieve.search.piece import WORDS, piece_name
from pairsieve.search.sources import Vectors
from pairsieve.search.vectors import VectorIndex
from pairsieve.search.words import EXACT, FACETS, WordQuery, open_words, row_id, says_nothing
from pairsieve.web.pasted_addresses import alike_key
from pairsieve.web.places import address_key, read_host, read_url, spellings

Sort = Literal["best", "similarity"]
EXACT_FILTERS = ("host", *FACETS)
"""Names by which a query filters rows."""
MAX_ALIKE = 200  # nearest pictures that are looked at; beyond them nothing looks alike
MAX_PAGES, MAX_PER_PAGE, MAX_FACET_VALUES = 500, 100, 10
# Scores by which results of an example picture are ordered: the same file first, then the same
# picture (between 1 and 2), then pictures that look alike (cosine, at most 1).
SAME_FILE_SCORE, SAME_PICTURE_SCORE, PDQ_BITS = 3.0, 2.0, 256
# Kind of a request, field of the index, column of a row.
ADDRESS_KINDS = (("image_url", "image_alike", "URL"), ("page_url", "page_alike", "page_url"))
NO_WORDS = "no_words"
"""Why nothing was found: the words hold no letter, digit or symbol."""
VectorsOf = Callable[[str], Vectors]
"""Returns the unit vectors (n, d) of a text, or of a picture and its views, by a model's name."""
Scores = dict[int, tuple[float, str]]
"""Row id -> score, and why the row matches."""


@dataclass(frozen=True)
class Query:
    """What to search for. All criteria must hold.

    `exact` maps names of EXACT_FILTERS to values; several values of one name are alternatives.
    """

    words: str = ""
    image_url: str = ""
    page_url: str = ""
    exact: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sort: Sort = "best"
    page: int = 1
    per_page: int = 20

    @property
    def is_unfiltered(self) -> bool:
        """Whether the query matches every row."""
        has_words = bool(self.words.strip())
        has_address = bool(self.image_url or self.page_url)
        has_values = any(self.exact.values())
        return not (has_words or has_address or has_values)

    @property
    def word_query(self) -> WordQuery:
        """The criteria that the index of words decides.

        Raises NotAPlace for an address or a host that cannot be read.
        """
        exact = {name: list(values) for name, values in self.exact.items() if name in EXACT}
        if "host" in exact:
            exact["host"] = [read_host(host) for host in exact["host"] if host]
        if self.image_url:
            exact["image"] = list(spellings(read_url(self.image_url)))
        if self.page_url:
            exact["page"] = list(spellings(read_url(self.page_url)))
        return WordQuery(self.words, exact)

    @property
    def page_slice(self) -> slice:
        """The positions of this page among all results."""
        per_page = min(max(1, self.per_page), MAX_PER_PAGE)
        page = min(max(1, self.page), MAX_PAGES)
        start = (page - 1) * per_page
        return slice(start, start + per_page)


@dataclass(frozen=True)
class Hit:
    """One result: a row, its score, and why it matches (for an example picture).

    The score is BM25 for words. For a meaning it is a cosine. For an example picture it is a
    cosine, or more for the same picture and the same file.
    """

    id: int
    row: Mapping[str, Any]
    score: float
    why: str = ""


@dataclass(frozen=True)
class Results:
    """One page of results.

    `total` counts all results. `facets`: name -> the most frequent values and how many results have
    each; empty for an example picture. `reason` says why the query could find nothing: NO_WORDS, or
    empty.
    """

    hits: Sequence[Hit]
    total: int
    facets: Mapping[str, Sequence[tuple[str, int]]]
    reason: str = ""


@dataclass(frozen=True)
class SameAddress:
    """An address that most likely shows the same as one that was searched for.

    `kind` is that of an erasure request: `image_url` or `page_url`. `rows`: how many have it, of
    the first MAX_ALIKE.
    """

    kind: str
    url: str
    rows: int


@dataclass(frozen=True)
class Search:
    """An open index."""

    folder: str
    contents: IndexContents

    @cached_property
    def _index(self) -> tantivy.Index:
        return open_words(str(Path(self.folder) / WORDS))

    @cached_property
    def _searcher(self) -> tantivy.Searcher:
        return self._index.searcher()

    @cached_property
    def _spaces(self) -> Mapping[str, VectorIndex]:
        """The vectors of each model."""
        indexes = {}
        for space in self.contents.spaces:
            shards = [
                (number, self._shard_folder(number))
                for source, number in self.contents.shards
                if source.space == space
            ]
            indexes[space] = VectorIndex(shards, Path(self.folder) / lists_name(space))
        return indexes

    @cached_property
    def _hashes(self) -> HashIndex:
        return HashIndex(Path(self.folder) / HASH_TABLES)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(os.cpu_count() or 1)

    def _shard_folder(self, number: int) -> Path:
        return Path(self.folder) / SHARDS / piece_name(number)

    def by_words(self, query: Query) -> Results:
        """Return rows that have all words and values."""
        if says_nothing(query.words):
            return Results((), 0, {}, NO_WORDS)
        built = query.word_query.build(self._index)
        # Without words every row has the same score, so the most similar pairs come first.
        by_similarity = query.sort == "similarity" or not query.words.strip()
        order = {"order_by_field": "similarity"} if by_similarity else {}
        page = query.page_slice
        answer = self._searcher.search(
            built, page.stop - page.start, count=True, offset=page.start, **order
        )
        ids = self._ids([address for _, address in answer.hits])
        hits = []
        for identity, (score, address) in zip(ids, answer.hits, strict=True):
            row = self._row(address)
            hits.append(Hit(identity, row, float(score or 0.0)))  # no score when sorted by field
        return Results(hits, answer.count, self._facets(built))

    def same_addresses(self, url: str) -> list[SameAddress]:
        """Return other addresses of pictures and pages that most likely are this one.

        Those that `by_words` finds by this address are left out. An empty address has none. Raises
        NotAPlace.
        """
        if not url:
            return []
        address = read_url(url)
        key = alike_key(address)
        known = set(spellings(address))
        rows: Counter[tuple[str, str]] = Counter()
        for kind, name, column in ADDRESS_KINDS:
            built = WordQuery("", {name: [key]}).build(self._index)
            for document in self._addresses(built, MAX_ALIKE):
                other = str(self._row(document).get(column) or "")
                if other and address_key(other) not in known:
                    rows[kind, other] += 1
        return [SameAddress(kind, other, number) for (kind, other), number in rows.most_common()]

    def by_meaning(self, query: Query, vectors_of: VectorsOf) -> Results:
        """Return the rows whose pictures are nearest to a text, among those that match the query.

        Raises BadIndex when the dataset has no vectors.
        """
        if not self._spaces:
            raise BadIndex(
                "the dataset was published without vectors (publish.embeddings), so it cannot be "
                "searched by meaning"
            )
        return self._filter(query, self._look_alikes(vectors_of, by_text=True), with_facets=True)

    def by_picture(
        self, query: Query, example: Example, vectors_of: VectorsOf | None = None
    ) -> Results:
        """Return rows that show an example picture, among those that match the query.

        First come rows with the same file, then with the same picture turned, mirrored, encoded
        anew or with something around it, then (with `vectors_of`) with pictures that look like it.
        """
        look_alikes = self._pool.submit(self._look_alikes, vectors_of) if vectors_of else None
        # Meanwhile, on another core.
        same_picture = self._hashes.alike([*example.pdq, *example.pdq_of_views])
        scores = look_alikes.result() if look_alikes else {}
        # A better reason replaces a weaker one.
        for identity, bits in same_picture:
            scores[identity] = SAME_PICTURE_SCORE - bits / PDQ_BITS, "same picture"
        for name, value in (("sha256", example.sha256), ("md5", example.md5)):
            for identity in self._ids_with(name, value):
                scores[identity] = SAME_FILE_SCORE, "same file"
        if query.is_unfiltered and query.sort == "best":
            return self._page(query, scores)
        return self._filter(query, scores)

    def nearest(
        self, space: str, vector: Vectors, max_rows: int, by_text: bool = False
    ) -> list[tuple[int, int, float]]:
        """Return (shard, row, cosine) of a model's nearest vectors, the nearest first.

        The vector is that of a picture, or of a text.
        """
        efforts = self.contents.spaces[space]
        effort = efforts.texts if by_text else efforts.pictures
        return self._spaces[space].nearest(vector, max_rows, effort)

    def _look_alikes(self, vectors_of: VectorsOf, by_text: bool = False) -> Scores:
        """Return the rows nearest to a text or picture, in the vectors of every model.

        A row counts by the view that it is nearest to.
        """
        cosines: dict[int, float] = {}
        for space in self._spaces:
            for vector in vectors_of(space):
                for shard, row, cosine in self.nearest(space, vector, MAX_ALIKE, by_text):
                    identity = row_id(shard, row)
                    cosines[identity] = max(cosine, cosines.get(identity, -1.0))
        best = sorted(cosines, key=lambda identity: (-cosines[identity], identity))[:MAX_ALIKE]
        return {identity: (cosines[identity], "looks alike") for identity in best}

    def _ids_with(self, name: str, value: str) -> list[int]:
        """Return the ids of rows that have an exact value."""
        if not value:
            return []
        built = WordQuery("", {name: [value]}).build(self._index)
        return self._ids(self._addresses(built, MAX_ALIKE))

    def _filter(self, query: Query, scores: Scores, with_facets: bool = False) -> Results:
        """Return a page of the scored rows that match the query, in the query's order."""
        if says_nothing(query.words):
            return Results((), 0, {}, NO_WORDS)
        matches_query = query.word_query.build(self._index)
        has_score = self._has_id(list(scores))
        built = tantivy.Query.boolean_query(
            [(tantivy.Occur.Must, matches_query), (tantivy.Occur.Must, has_score)]
        )
        addresses = self._addresses(built, len(scores))
        ids = self._ids(addresses)
        if query.sort == "similarity" and addresses:
            order_by = self._searcher.fast_field_values("similarity", addresses)
        else:
            order_by = [scores[identity][0] for identity in ids]
        # Highest first; equal ones by id, so that pages do not overlap.
        matches = sorted(
            zip(order_by, ids, addresses, strict=True), key=lambda match: (-match[0], match[1])
        )
        hits = []
        for _, identity, address in matches[query.page_slice]:
            score, why = scores[identity]
            hits.append(Hit(identity, self._row(address), score, why))
        facets = self._facets(built) if with_facets else {}
        return Results(hits, len(matches), facets)

    def _page(self, query: Query, scores: Scores) -> Results:
        """Return a page of all scored rows. Only the rows of this page are read."""
        ordered = sorted(scores, key=lambda identity: (-scores[identity][0], identity))
        on_page = ordered[query.page_slice]
        addresses = self._addresses(self._has_id(on_page), len(on_page))
        ids = self._ids(addresses)
        address_of = dict(zip(ids, addresses, strict=True))
        hits = []
        for identity in on_page:
            score, why = scores[identity]
            hits.append(Hit(identity, self._row(address_of[identity]), score, why))
        return Results(hits, len(scores), {})

    def _has_id(self, ids: Sequence[int]) -> tantivy.Query:
        """Return a query for rows with these ids, which all score the same."""
        with_ids = tantivy.Query.term_set_query(self._index.schema, "id", list(ids))
        return tantivy.Query.const_score_query(with_ids, 1.0)

    def _addresses(self, built: tantivy.Query, max_rows: int) -> list[tantivy.DocAddress]:
        """Return where tantivy stores the rows that a query finds."""
        limit = max(1, max_rows)  # tantivy refuses 0
        return [address for _, address in self._searcher.search(built, limit).hits]

    def _ids(self, addresses: Sequence[tantivy.DocAddress]) -> list[int]:
        """Return the ids of rows."""
        if not addresses:
            return []
        return list(self._searcher.fast_field_values("id", list(addresses)))

    def _row(self, address: tantivy.DocAddress) -> Mapping[str, Any]:
        """Return what is shown of a row."""
        document = self._searcher.doc(address)
        row: Mapping[str, Any] = json.loads(bytes(document["row"][0]))
        return row

    def _facets(self, built: tantivy.Query) -> dict[str, list[tuple[str, int]]]:
        """Return for each facet its most frequent values among the results."""
        request = {name: {"terms": {"field": name, "size": MAX_FACET_VALUES}} for name in FACETS}
        answer = self._searcher.aggregate(built, request)
        facets = {}
        for name in FACETS:
            buckets = answer[name]["buckets"]
            facets[name] = [(bucket["key"], int(bucket["doc_count"])) for bucket in buckets]
        return facets


def open_search(folder: str) -> Search:
    """Open an index. Raises BadIndex."""
    return Search(folder, read_index(folder))


def check_version(contents: IndexContents, manifest: Manifest) -> None:
    """Raise BadIndex when an index is not of the dataset's current version and models.

    An index of an older version could show people who were erased since.
    """
    version = manifest.version
    if contents.version != version or contents.models != manifest.models:
        raise BadIndex(
            f"the index is of version {contents.version}, the dataset is version {version}; "
            "bring it up to date with pairsieve index"
        )

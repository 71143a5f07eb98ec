"""Which rows of a table requests are about."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pairsieve.erasure.requests import Request, domains_of, places_of
from pairsieve.images.pdq import ALIKE, Hashes, as_hashes, nearest
from pairsieve.records.foreign import as_ours
from pairsieve.web.urls import address_key, canonical

LOGGER = logging.getLogger(__name__)
IMAGE_URLS, PAGE_URL = ("URL", "final_url"), "page_url"
COLUMNS = ("key", *IMAGE_URLS, PAGE_URL, "sha256", "md5", "pdq")
# whose host is what stands there, for every reader
_PLAIN = r"^https?://(?P<host>[A-Za-z0-9._-]+)(?::[0-9]+)?(?:[/?#]|$)"
Hits = dict[int, set[int]]
"""Row -> numbers of requests."""


@dataclass(frozen=True)
class Matcher:
    """Requests, ready to be looked for."""

    requests: Sequence[Request]

    @cached_property
    def _exact(self) -> Mapping[str, Mapping[str, set[int]]]:
        """Column -> value -> requests."""
        wanted: dict[str, dict[str, set[int]]] = {
            name: defaultdict(set) for name in ("key", "sha256", "md5")
        }
        for number, request in enumerate(self.requests):
            values = request.bytes_hashes if request.kind == "image" else request.values
            for column, value in zip(
                ("sha256", "md5") if request.kind == "image" else (request.kind,),
                values,
                strict=False,
            ):
                if column in wanted:
                    wanted[column][value].add(number)
        return wanted

    @cached_property
    def _urls(self) -> Mapping[str, Mapping[str, set[int]]]:
        """`image_url` and `page_url` -> canonical URL -> requests; `place` -> domain or prefix ->
        requests.
        """
        wanted: dict[str, dict[str, set[int]]] = {
            name: defaultdict(set) for name in ("image_url", "page_url", "place")
        }
        for number, request in enumerate(self.requests):
            if request.kind in ("image_url", "page_url"):
                wanted[request.kind][canonical(request.values[0])].add(number)
            elif request.kind in ("domain", "prefix"):
                wanted["place"][request.values[0]].add(number)
        return wanted

    @cached_property
    def _hosts(self) -> frozenset[str]:
        """The hosts that requests by URL or place are about."""
        named = (
            request.values[0]
            for request in self.requests
            if request.kind in ("image_url", "page_url", "domain", "prefix")
        )
        return frozenset(
            next(places_of(value if "://" in value else f"http://{value}/")) for value in named
        )

    @cached_property
    def _hashes(self) -> Sequence[tuple[int, Hashes]]:
        wanted = [
            (n, request.values)
            for n, request in enumerate(self.requests)
            if request.kind in ("pdq", "image")
        ]
        return [(n, as_hashes(map(bytes.fromhex, values))) for n, values in wanted if values]

    def find(self, table: pa.Table) -> Hits:
        """The rows of a table with (some of) COLUMNS that requests are about."""
        hits: Hits = defaultdict(set)
        ours = [name for name in COLUMNS if name in table.column_names]
        for row, number in self._found(as_ours(table.select(ours))):
            hits[row].add(number)
        return dict(hits)

    def _found(self, table: pa.Table) -> Iterator[tuple[int, int]]:
        names = set(table.column_names)
        for column, wanted in self._exact.items():
            if wanted and column in names:
                found = pc.index_in(pc.utf8_lower(table[column]), pa.array(list(wanted)))
                order = list(wanted.values())
                for row in np.nonzero(pc.is_valid(found).to_numpy())[0]:
                    yield from ((int(row), number) for number in order[found[int(row)].as_py()])
        if self._hosts:
            for column in {*IMAGE_URLS, PAGE_URL} & names:
                yield from self._by_url(
                    table[column], "page_url" if column == PAGE_URL else "image_url"
                )
        if self._hashes and "pdq" in names:
            yield from self._by_hash(table["pdq"])

    def _by_url(self, column: pa.ChunkedArray, kind: str) -> Iterator[tuple[int, int]]:
        hosts = (
            pc.struct_field(pc.extract_regex(column, _PLAIN), "host")
            .combine_chunks()
            .dictionary_encode()
        )
        if not len(hosts):
            return
        # The last one is for addresses that are written in another way: their hosts are looked for
        # one by one.
        wanted = np.array([self._is_wanted(host) for host in hosts.dictionary.to_pylist()] + [True])
        codes = hosts.indices.fill_null(len(wanted) - 1).to_numpy(zero_copy_only=False)
        there = pc.is_valid(column).to_numpy()
        self._note_unreadable(
            [column[int(row)].as_py() for row in np.nonzero((codes == len(wanted) - 1) & there)[0]],
            kind,
        )
        for row in np.nonzero(wanted[codes] & there)[0]:
            url = column[int(row)].as_py()
            numbers = set(self._urls[kind].get(address_key(url), ()))
            numbers.update(*(self._urls["place"].get(place, ()) for place in places_of(url)))
            yield from ((int(row), number) for number in numbers)

    def _note_unreadable(self, addresses: Sequence[str], kind: str) -> None:
        """Say how many rows no request by address can find; what they hold is not repeated."""
        unreadable = sum(not next(places_of(address)) for address in addresses)
        if unreadable:
            LOGGER.warning(
                "%d rows hold no %s that can be read: requests find them by hash or key alone",
                unreadable,
                kind,
            )

    def _is_wanted(self, host: str) -> bool:
        """Of a plain host; one whose last label begins like a number may be an address, which has
        several spellings.
        """
        if host.rstrip(".").rpartition(".")[2][:1].isdigit():
            return not self._hosts.isdisjoint(places_of(f"http://{host}/"))
        return not self._hosts.isdisjoint(domains_of(host.lower()))

    def _by_hash(self, column: pa.ChunkedArray) -> Iterator[tuple[int, int]]:
        there = np.nonzero(pc.is_valid(column).to_numpy())[0]
        if not len(there):
            return
        rows = as_hashes(bytes.fromhex(bits) for bits in column.take(pa.array(there)).to_pylist())
        for number, wanted in self._hashes:
            yield from (
                (int(there[i]), number) for i in np.nonzero(nearest(rows, wanted) <= ALIKE)[0]
            )

"""Find the rows of a table that erasure requests are about."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pairsieve.erasure.requests import Request
from pairsieve.images.pdq import ALIKE, Hashes, as_hashes, nearest
from pairsieve.records.foreign import as_ours
from pairsieve.records.origin_columns import PDQ_COLUMNS
from pairsieve.web.places import address_key, domains_of, places_of, spellings

LOGGER = logging.getLogger(__name__)
IMAGE_URLS, PAGE_URL = ("URL", "final_url"), "page_url"
COLUMNS = ("key", *IMAGE_URLS, PAGE_URL, "sha256", "md5", *PDQ_COLUMNS)
EXACT_COLUMNS = ("key", "sha256", "md5")
# URLs of this form have the host that is written in them, whoever reads them.
_PLAIN = r"^https?://(?P<host>[A-Za-z0-9._-]+)(?::[0-9]+)?(?:[/?#]|$)"
# The capital letters beside those of ASCII of which Arrow makes a small letter of ASCII.
_OTHER_CAPITALS = {"k": "\N{KELVIN SIGN}", "i": "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}"}
MAX_ENDS = 100
"""Hosts of requests up to which the ends of all hosts are compared with each of them."""
Hits = dict[int, set[int]]
"""Row number -> numbers of the requests that are about it."""
RequestsByValue = Mapping[str, set[int]]
"""Value of a request -> numbers of the requests that name it."""


@dataclass(frozen=True)
class Matcher:
    """Requests, indexed by what they name."""

    requests: Sequence[Request]

    def find(self, table: pa.Table) -> Hits:
        """Return the rows that requests are about.

        The table has some or all of `columns`; others are not looked at.
        """
        hits: Hits = defaultdict(set)
        ours = [name for name in self.columns if name in table.column_names]
        for row, number in self._matches(as_ours(table.select(ours))):
            hits[row].add(number)
        return dict(hits)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns in which the requests have something to find, in the order of COLUMNS."""
        wanted = {name for name, numbers_by_value in self._exact.items() if numbers_by_value}
        if self._urls["image_url"] or self._urls["place"]:
            wanted.update(IMAGE_URLS)
        if self._urls["page_url"] or self._urls["place"]:
            wanted.add(PAGE_URL)
        if self._hashes:
            wanted.update(PDQ_COLUMNS)
        return tuple(name for name in COLUMNS if name in wanted)

    def may_match(self, column: str, least: str, most: str) -> bool:
        """Return whether a column whose cells lie between two texts may have a match.

        Only values of EXACT_COLUMNS can be ruled out. Cells may have capital letters.
        """
        if column not in self._exact:
            return True
        for value in self._exact[column]:
            if not value.isascii():
                return True
            first, last = self._spellings[value]
            # Most values lie far from the range.
            if first <= most and last >= least and _may_lie_between(value, least, most):
                return True
        return False

    @cached_property
    def _spellings(self) -> Mapping[str, tuple[str, str]]:
        """For each value, the first and the last way to write it, in the order of texts."""
        spellings = {}
        for value in chain.from_iterable(self._exact.values()):
            ways = [_ways_to_write(letter) for letter in value]
            spellings[value] = ("".join(map(min, ways)), "".join(map(max, ways)))
        return spellings

    def _matches(self, table: pa.Table) -> Iterator[tuple[int, int]]:
        """Yield (row, number of a request) for each match."""
        names = set(table.column_names)
        for column, numbers_by_value in self._exact.items():
            # A dataset of others may lack some of our columns.
            if numbers_by_value and column in names:
                yield from _match_exact(table[column], numbers_by_value)
        if self._hosts:
            for column in {*IMAGE_URLS, PAGE_URL} & names:
                kind = "page_url" if column == PAGE_URL else "image_url"
                yield from self._match_urls(table[column], kind)
        if self._hashes:
            for column in PDQ_COLUMNS:
                if column in names:
                    yield from self._match_hashes(table[column])

    @cached_property
    def _exact(self) -> Mapping[str, RequestsByValue]:
        """Requests by keys and hashes of bytes, for each of EXACT_COLUMNS."""
        index: dict[str, dict[str, set[int]]] = {name: defaultdict(set) for name in EXACT_COLUMNS}
        for number, request in enumerate(self.requests):
            if request.kind == "image":
                # An example that was never read as a file has no hashes of its bytes.
                for column, value in zip(("sha256", "md5"), request.bytes_hashes, strict=False):
                    index[column][value].add(number)
            elif request.kind in index:
                index[request.kind][request.values[0]].add(number)
        return index

    @cached_property
    def _urls(self) -> Mapping[str, RequestsByValue]:
        """Requests by the keys of `image_url` and `page_url`, and by `place` (domain or prefix)."""
        index: dict[str, dict[str, set[int]]] = {
            name: defaultdict(set) for name in ("image_url", "page_url", "place")
        }
        for number, request in enumerate(self.requests):
            if request.kind in ("image_url", "page_url"):
                for address in spellings(request.values[0]):
                    index[request.kind][address].add(number)
            elif request.kind in ("domain", "prefix"):
                index["place"][request.values[0]].add(number)
        return index

    @cached_property
    def _hosts(self) -> frozenset[str]:
        """The hosts that requests by URL or place name."""
        hosts: set[str] = set()
        for request in self.requests:
            if request.kind in ("image_url", "page_url", "domain", "prefix"):
                value = request.values[0]
                # Places are written without a scheme.
                url = value if "://" in value else f"http://{value}/"
                hosts.add(next(places_of(url)))
        return frozenset(hosts)

    @cached_property
    def _hashes(self) -> Sequence[tuple[int, Hashes]]:
        """The PDQ hashes of each request that has some."""
        hashes: list[tuple[int, Hashes]] = []
        for number, request in enumerate(self.requests):
            if request.kind in ("pdq", "image") and request.values:
                hashes.append((number, as_hashes(map(bytes.fromhex, request.values))))
        return hashes

    def _match_urls(self, column: pa.ChunkedArray, kind: str) -> Iterator[tuple[int, int]]:
        """Yield matches in a column of image URLs or page URLs (`kind`).

        A table has few distinct hosts, so each host is checked once, and only URLs on hosts that a
        request names are parsed.
        """
        plain_hosts = pc.struct_field(pc.extract_regex(column, _PLAIN), "host")
        hosts = plain_hosts.combine_chunks().dictionary_encode()
        if not len(hosts):
            return
        is_named = self._are_named(hosts.dictionary)
        # URLs in any other form get a code of their own, and are always parsed.
        other_form = len(is_named)
        must_parse = np.append(is_named, True)
        codes = hosts.indices.fill_null(other_form).to_numpy(zero_copy_only=False)
        is_present = pc.is_valid(column).to_numpy()
        self._log_unreadable(column, np.nonzero((codes == other_form) & is_present)[0], kind)
        for row in np.nonzero(must_parse[codes] & is_present)[0]:
            for number in self._requests_of_url(column[int(row)].as_py(), kind):
                yield int(row), number

    def _requests_of_url(self, url: str, kind: str) -> set[int]:
        """Return the numbers of the requests that name a URL, or a place that it lies below."""
        numbers = set(self._urls[kind].get(address_key(url), ()))
        for place in places_of(url):
            numbers.update(self._urls["place"].get(place, ()))
        return numbers

    def _log_unreadable(self, column: pa.ChunkedArray, rows: NDArray[np.int64], kind: str) -> None:
        """Log how many URLs have no host, so that no request by URL finds them.

        The log does not repeat the URLs.
        """
        unreadable = 0
        for row in rows:
            host = next(places_of(column[int(row)].as_py()))
            if not host:
                unreadable += 1
        if unreadable:
            LOGGER.warning(
                "%d rows hold no %s that can be read: requests find them by hash or key alone",
                unreadable,
                kind,
            )

    def _are_named(self, hosts: pa.StringArray) -> NDArray[np.bool_]:
        """Return for each of these plain hosts whether a request names it or a domain above it.

        A shard has tens of thousands of hosts. Where few are wanted, one look at the ends of all
        hosts leaves few to be split into their labels.
        """
        if len(self._hosts) > MAX_ENDS:
            return np.array([self._names_host(host) for host in hosts.to_pylist()], np.bool_)
        ends = pc.utf8_rtrim(pc.ascii_lower(hosts), ".")
        # Addresses have several forms, such as 127.1; their last label begins with a digit.
        may_be_named = pc.match_substring_regex(ends, r"(?:^|\.)[0-9][^.]*$")
        for named in self._hosts:
            may_be_named = pc.or_(may_be_named, pc.ends_with(ends, named))
        are_named = np.zeros(len(hosts), np.bool_)
        for row in np.flatnonzero(may_be_named.to_numpy(zero_copy_only=False)):
            are_named[row] = self._names_host(hosts[int(row)].as_py())
        return are_named

    def _names_host(self, host: str) -> bool:
        """Return whether a request names a host or a domain above it."""
        last_label = host.rstrip(".").rpartition(".")[2]
        if last_label[:1].isdigit():
            # It may be an IP address, which has several spellings.
            return not self._hosts.isdisjoint(places_of(f"http://{host}/"))
        return not self._hosts.isdisjoint(domains_of(host.lower()))

    def _match_hashes(self, column: pa.ChunkedArray) -> Iterator[tuple[int, int]]:
        """Yield matches in a column of PDQ hashes."""
        rows = np.nonzero(pc.is_valid(column).to_numpy())[0]
        if not len(rows):
            return
        digits = column.take(pa.array(rows)).to_pylist()
        row_hashes = as_hashes(bytes.fromhex(value) for value in digits)
        for number, hashes in self._hashes:
            distances = nearest(row_hashes, hashes)
            for position in np.nonzero(distances <= ALIKE)[0]:
                yield int(rows[position]), number


def _match_exact(
    column: pa.ChunkedArray, numbers_by_value: RequestsByValue
) -> Iterator[tuple[int, int]]:
    """Yield (row, number of a request) where a cell equals the value of a request."""
    values = list(numbers_by_value)
    positions = pc.index_in(pc.utf8_lower(column), pa.array(values))
    for row in np.nonzero(pc.is_valid(positions).to_numpy())[0]:
        value = values[positions[int(row)].as_py()]
        for number in numbers_by_value[value]:
            yield int(row), number


def _may_lie_between(value: str, least: str, most: str) -> bool:
    """Return whether any way to write a value, in small and capital letters, is in a range."""
    # Beginnings of the value, by whether they sort behind that of `least` and before that of
    # `most`; where they do neither they are equal to it. There are three of these at most.
    beginnings = {(False, False)}
    for at, letter in enumerate(value):
        longer = set[tuple[bool, bool]]()
        for is_behind, is_before in beginnings:
            for written in _ways_to_write(letter):
                if (is_behind or written >= least[at : at + 1]) and (
                    is_before or written <= most[at : at + 1]
                ):
                    behind = is_behind or written > least[at : at + 1]
                    longer.add((behind, is_before or written < most[at : at + 1]))
        if (True, True) in longer:
            return True
        beginnings = longer
    return any(is_behind or len(least) <= len(value) for is_behind, _ in beginnings)


def _ways_to_write(letter: str) -> set[str]:
    return {letter.lower(), letter.upper(), _OTHER_CAPITALS.get(letter, letter)}

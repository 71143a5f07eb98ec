"""Opt-out registries in the form in which they are exported: domains, URLs, accounts and hashes.

| entry | what it covers |
|---|---|
| `a.example`, `*.a.example`, `https://a.example/` | the host and all below it |
| `a.example/~anna/`, `https://a.example/anna` | all below it, on the host and on hosts below |
| `https://a.example/p?id=3` | that address alone, with http and https |
| 32 or 64 hex digits | a picture by its MD5 or SHA-256 |

Addresses are read by pairsieve/web/places.py: scheme, port and case of the host do not count, and
escapes are undone.
Accounts are compared without case, since platforms do not distinguish it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from pairsieve.erasure.list_file import ListRow, UnreadableList, join_problems, read_entries
from pairsieve.web.paths import comparable_target
from pairsieve.web.places import hosts_of, read_place

Kind = Literal["domain", "place", "address", "md5", "sha256"]
KINDS: tuple[Kind, ...] = ("domain", "place", "address", "md5", "sha256")
OptOutKind = Literal["auto", "domains", "urls", "accounts", "hashes"]
# Column names that registries use in their exports, and what such a column holds.
COLUMNS: Mapping[str, OptOutKind] = {
    **dict.fromkeys(("domain", "host", "hostname", "site", "website"), "domains"),
    **dict.fromkeys(("url", "image_url", "page_url", "link", "uri", "src"), "urls"),
    **dict.fromkeys(("account", "profile", "prefix", "path"), "accounts"),
    **dict.fromkeys(("md5", "sha256", "hash"), "hashes"),
}
HASH_LENGTHS: Mapping[int, Kind] = {32: "md5", 64: "sha256"}
_HEX = re.compile(r"[0-9a-fA-F]+")
MAX_FOLDERS = 32


@dataclass(frozen=True)
class OptOuts:
    """Opted-out values by kind: domains, places (host and path), addresses and hashes."""

    known: Mapping[Kind, frozenset[str]]

    def match_url(self, url: str) -> Kind | None:
        """Return the kind of entry that covers a URL, or None."""
        hosts = list(hosts_of(url))
        if not self.known["domain"].isdisjoint(hosts):
            return "domain"
        target = comparable_target(url).removesuffix("?")
        if f"{hosts[0]}{target}" in self.known["address"]:
            return "address"
        places = self.known["place"]
        if not places:
            return None
        for path in _paths_above(target):
            for host in hosts:
                if f"{host}{path}" in places:
                    return "place"
        return None

    def match_picture(self, md5: str | None, sha256: str | None) -> bool:
        """Return whether a registry names the hash of a picture's bytes."""
        return md5 in self.known["md5"] or sha256 in self.known["sha256"]


def _paths_above(target: str) -> Iterator[str]:
    """Yield a path and every folder above it, in lower case and without a trailing slash."""
    path = target.partition("?")[0].lower()
    slashes = [i for i, letter in enumerate(path) if letter == "/" and i]
    for end in slashes[:MAX_FOLDERS]:
        yield path[:end]
    yield path.rstrip("/")


def read_opt_outs(
    paths: Mapping[str, OptOutKind], skip_unreadable: bool
) -> tuple[OptOuts, list[str]]:
    """Read all registries into one; also return a message for each line that was skipped.

    Raises UnreadableList when no line of a file is understood. Without `skip_unreadable` it is
    also raised when one line cannot be read, since each line may be somebody's opt-out.
    """
    known: dict[Kind, set[str]] = {kind: set() for kind in KINDS}
    skipped: list[str] = []
    for path, kind in paths.items():
        entries, problems = read_entries(path, COLUMNS, partial(_entries, kind=kind))
        if problems and not skip_unreadable:
            raise UnreadableList(
                f"{path}: {join_problems(problems)}. Correct these lines, or set skip_unreadable "
                "to continue without them"
            )
        skipped += [f"{path}, {problem}" for problem in problems]
        for name, value in entries:
            known[name].add(value)
    return OptOuts({kind: frozenset(values) for kind, values in known.items()}), skipped


def _entries(row: ListRow, kind: OptOutKind) -> Iterator[tuple[Kind, str]]:
    """Yield the entries of a row. Raises ValueError for one that cannot be read."""
    if row.cells is not None:
        for column, cell in row.cells.items():
            yield _entry(cell, COLUMNS[column])
        return
    yield _entry(row.first, kind)
    # A URL may hold commas, and a comma may also separate two entries. We cannot tell which is
    # meant, so both count: the first cell and the whole line.
    has_more = row.whole != row.first
    has_spaces = any(map(str.isspace, row.whole))
    if has_more and "://" in row.first and not has_spaces:
        yield _entry(row.whole, kind)


def _entry(text: str, kind: OptOutKind) -> tuple[Kind, str]:
    value = text.strip().strip('"')
    if kind == "hashes" or (kind == "auto" and _HEX.fullmatch(value)):
        return _hash(value)
    return _address(value)


def _hash(value: str) -> tuple[Kind, str]:
    kind = HASH_LENGTHS.get(len(value)) if _HEX.fullmatch(value) else None
    if kind is None:
        raise ValueError(
            "this is not an MD5 or SHA-256 in hex digits; for SHA-1 and PDQ use the rule hash_lists"
        )
    return kind, value.lower()


def _address(value: str) -> tuple[Kind, str]:
    """Parse a domain, URL or account. Raises ValueError for anything else."""
    if any(map(str.isspace, value)):
        raise ValueError("this is not a domain, URL, account (host/path) or hash")
    place = read_place(value)
    if place.query:
        return "address", f"{place.host}{place.path}{place.query}"
    path = place.path.rstrip("/").lower()
    if path:
        return "place", f"{place.host}{path}"
    return "domain", place.host

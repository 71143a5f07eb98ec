"""Registries of refusals, as they export them: domains, URLs, accounts on hosts, and hashes of
pictures.

| entry | what it covers |
|---|---|
| `a.example`, `*.a.example`, `https://a.example/` | the host and all below it |
| `a.example/~anna/`, `https://a.example/anna` | all below it, on the host and on hosts below |
| `https://a.example/p?id=3` | that address alone, with http and https |
| 32 or 64 hex digits | a picture by its MD5 or SHA-256 |

Addresses are compared without their scheme and with escapes undone (pairsieve/web/paths.py);
accounts without case, since platforms tell none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from pairsieve.erasure.list_file import ListRow, UnreadableList, named, read_entries
from pairsieve.erasure.requests import hosts_of
from pairsieve.web.addresses import is_address
from pairsieve.web.paths import comparable_target
from pairsieve.web.urls import absolute, host_of

Kind = Literal["domain", "place", "address", "md5", "sha256"]
OptOutKind = Literal["auto", "domains", "urls", "accounts", "hashes"]
# Column names that exports use, and what stands in them.
COLUMNS: Mapping[str, OptOutKind] = {
    **dict.fromkeys(("domain", "host", "hostname", "site", "website"), "domains"),
    **dict.fromkeys(("url", "image_url", "page_url", "link", "uri", "src"), "urls"),
    **dict.fromkeys(("account", "profile", "prefix", "path"), "accounts"),
    **dict.fromkeys(("md5", "sha256", "hash"), "hashes"),
}
HASH_LENGTHS: Mapping[int, Kind] = {32: "md5", 64: "sha256"}
_HEX = re.compile(r"[0-9a-fA-F]+")
_HOST = re.compile(r"(?:[a-z0-9_-]{1,63}\.)+[a-z0-9-]{2,63}")
MAX_FOLDERS = 32


@dataclass(frozen=True)
class OptOuts:
    """What registries name, by kind."""

    known: Mapping[Kind, frozenset[str]]

    def match_url(self, url: str) -> Kind | None:
        """By what a URL is on a registry."""
        hosts = list(hosts_of(url))
        if not self.known["domain"].isdisjoint(hosts):
            return "domain"
        target = comparable_target(url).removesuffix("?")
        if f"{hosts[0]}{target}" in self.known["address"]:
            return "address"
        places = list(_places(target)) if self.known["place"] else []
        return (
            "place"
            if any(f"{host}{place}" in self.known["place"] for host in hosts for place in places)
            else None
        )

    def match_picture(self, md5: str | None, sha256: str | None) -> bool:
        """Whether a picture is on a registry by its bytes."""
        return md5 in self.known["md5"] or sha256 in self.known["sha256"]


def _places(target: str) -> Iterator[str]:
    """A path and every folder above it, in lower case and without a slash at their end."""
    path = target.partition("?")[0].lower()
    ends = [i for i, letter in enumerate(path) if letter == "/" and i][:MAX_FOLDERS]
    yield from (path[:end] for end in ends)
    yield path.rstrip("/")


def read_opt_outs(
    paths: Mapping[str, OptOutKind], skip_unreadable: bool
) -> tuple[OptOuts, list[str]]:
    """All registries together, and what is wrong with lines that cannot be read. Raises
    UnreadableList: where such lines are not to be skipped, since each may be somebody's refusal,
    and for a file of which nothing was understood.
    """
    known: dict[Kind, set[str]] = {
        kind: set() for kind in ("domain", "place", "address", "md5", "sha256")
    }
    skipped = list[str]()
    for path, kind in paths.items():
        entries, unread = read_entries(path, COLUMNS, partial(_entries, kind=kind))
        if unread and not skip_unreadable:
            raise UnreadableList(
                f"{path}: {named(unread)}. Mend these lines, or set skip_unreadable to go on "
                "without them"
            )
        skipped += [f"{path}, {line}" for line in unread]
        for name, value in entries:
            known[name].add(value)
    return OptOuts({kind: frozenset(values) for kind, values in known.items()}), skipped


def _entries(row: ListRow, kind: OptOutKind) -> Iterator[tuple[Kind, str]]:
    if row.cells is not None:
        for column, cell in row.cells.items():
            yield from _entry(cell, COLUMNS[column])
        return
    yield from _entry(row.first, kind)
    is_address_with_commas = (
        row.whole != row.first and "://" in row.first and not any(map(str.isspace, row.whole))
    )
    if is_address_with_commas:  # or one that others follow: both are meant
        yield from _entry(row.whole, kind)


def _entry(text: str, kind: OptOutKind) -> Iterator[tuple[Kind, str]]:
    value = text.strip().strip('"')
    if kind == "hashes" or (kind == "auto" and _HEX.fullmatch(value)):
        yield _hash(value)
    else:
        yield _address(value)


def _hash(value: str) -> tuple[Kind, str]:
    kind = HASH_LENGTHS.get(len(value)) if _HEX.fullmatch(value) else None
    if kind is None:
        raise ValueError(
            "this is no MD5 or SHA-256 in hex digits; SHA-1 and PDQ are for the rule hash_lists"
        )
    return kind, value.lower()


def _address(value: str) -> tuple[Kind, str]:
    named_whole = value.removeprefix("*.")
    url = absolute(
        named_whole if "://" in named_whole else f"http://{named_whole.removeprefix('//')}", ""
    )
    host = host_of(url) if url and url.startswith(("http://", "https://")) else ""
    if (
        not url
        or any(map(str.isspace, value))
        or not (_HOST.fullmatch(host.rstrip(".")) or is_address(host))
    ):
        raise ValueError("this is no domain, URL, account (host/path) or hash")
    host, target = host.rstrip("."), comparable_target(url).removesuffix("?")
    if "?" in target:
        return "address", f"{host}{target}"
    path = target.removesuffix("%2A").rstrip("/").lower()
    return ("place", f"{host}{path}") if path else ("domain", host)

"""Hash lists that others hand out (child-safety organisations, say): MD5, SHA-1, SHA-256 and PDQ,
one a line or in columns.

A link is never opened. In a file with a head line the columns md5, sha1, sha256 and pdq count; else
the length of a hash tells what it is, and 64 digits are SHA-256 unless the list is said to be of
PDQ. pairsieve/erasure/list_file.py says which files can be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

from pairsieve.erasure.list_file import ListRow, UnreadableList, named, read_entries
from pairsieve.images.pdq import ALIKE, Hashes, as_hashes, nearest, orientations

KINDS = ("md5", "sha1", "sha256", "pdq")
LENGTHS = {32: "md5", 40: "sha1", 64: "sha256"}
ListKind = Literal["auto", "md5", "sha1", "sha256", "pdq"]
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True)
class HashList:
    """Known hashes by kind, in lower-case hex."""

    known: Mapping[str, frozenset[str]]

    @cached_property
    def _turned(self) -> Hashes:
        return as_hashes(
            turned
            for bits in sorted(self.known["pdq"])
            for turned in orientations(bytes.fromhex(bits))
        )

    def match(
        self, md5: str | None, sha1: str | None, sha256: str | None, pdq: str | None
    ) -> str | None:
        """The kind of hash by which a picture is on the list."""
        for kind, value in (("md5", md5), ("sha1", sha1), ("sha256", sha256)):
            if value and value in self.known[kind]:
                return kind
        if (
            pdq
            and self.known["pdq"]
            and int(nearest(as_hashes([bytes.fromhex(pdq)]), self._turned)[0]) <= ALIKE
        ):
            return "pdq"
        return None


def read_lists(paths: Mapping[str, ListKind]) -> HashList:
    """All lists together. Raises UnreadableList, also where a single line cannot be read."""
    known: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for path, kind in paths.items():
        hashes, unread = read_entries(path, KINDS, partial(_hashes, kind=kind))
        if unread:
            raise UnreadableList(
                f"{path}: {named(unread)}. Mend or remove these lines: nothing is matched against "
                "half a list"
            )
        for name, value in hashes:
            known[name].add(value)
    return HashList({kind: frozenset(values) for kind, values in known.items()})


def _hashes(row: ListRow, kind: ListKind) -> Iterator[tuple[str, str]]:
    for name, cell in row.cells.items() if row.cells is not None else [(str(kind), row.first)]:
        value = cell.lower()
        found = LENGTHS.get(len(value), "") if name == "auto" else name
        if not _HEX.fullmatch(value) or {"pdq": "sha256"}.get(found, found) != LENGTHS.get(
            len(value)
        ):
            raise ValueError(f"this is no {'hash' if name == 'auto' else name} in hex digits")
        yield found, value

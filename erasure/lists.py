"""Hash lists that others hand out (child-safety organisations, say): MD5, SHA-1, SHA-256 and PDQ, one a line or in a CSV file.

A link is never opened. In a CSV file with a head line the columns md5, sha1, sha256 and pdq count; else the length of a hash tells what
it is, and 64 digits are SHA-256 unless the list is said to be of PDQ.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from images.pdq import ALIKE, Hashes, as_hashes, nearest, orientations
from storage import files

KINDS = ("md5", "sha1", "sha256", "pdq")
LENGTHS = {32: "md5", 40: "sha1", 64: "sha256"}
ListKind = Literal["auto", "md5", "sha1", "sha256", "pdq"]
_HEX = re.compile(r"[0-9a-f]+")


class UnreadableList(ValueError):
    """A list that cannot be read whole: nothing is matched against half of one. The message names the line."""


@dataclass(frozen=True)
class HashList:
    """Known hashes by kind, in lower-case hex."""

    known: Mapping[str, frozenset[str]]

    @cached_property
    def _turned(self) -> Hashes:
        return as_hashes(turned for bits in sorted(self.known["pdq"]) for turned in orientations(bytes.fromhex(bits)))

    def match(self, md5: str | None, sha1: str | None, sha256: str | None, pdq: str | None) -> str | None:
        """The kind of hash by which a picture is on the list."""
        for kind, value in (("md5", md5), ("sha1", sha1), ("sha256", sha256)):
            if value and value in self.known[kind]:
                return kind
        if pdq and self.known["pdq"] and int(nearest(as_hashes([bytes.fromhex(pdq)]), self._turned)[0]) <= ALIKE:
            return "pdq"
        return None


def read_lists(paths: Mapping[str, ListKind]) -> HashList:
    """All lists together. Raises UnreadableList."""
    known: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for path, kind in paths.items():
        try:
            lines = files.read_text(path).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UnreadableList(f"the hash list {path} cannot be read ({type(error).__name__})") from None
        for name, value in _hashes(path, lines, kind):
            known[name].add(value)
    return HashList({kind: frozenset(values) for kind, values in known.items()})


def _hashes(path: str, lines: Iterable[str], kind: ListKind) -> Iterable[tuple[str, str]]:
    rows = [(number, row) for number, row in enumerate(csv.reader(lines), start=1) if any(cell.strip() for cell in row)]
    head = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    columns = [(name, head.index(name)) for name in KINDS if name in head]
    for number, row in rows[1:] if columns else rows:
        cells = [(name, row[i]) for name, i in columns if i < len(row) and row[i].strip()] if columns else [(kind, row[0])]
        for name, cell in cells:
            value = cell.strip().lower()
            found = LENGTHS.get(len(value), "") if name == "auto" else name
            if not _HEX.fullmatch(value) or {"pdq": "sha256"}.get(found, found) != LENGTHS.get(len(value)):
                wanted = "hash" if name == "auto" else name
                raise UnreadableList(f"{path}, line {number}: this is no {wanted} in hex digits; mend or remove the line")
            yield found, value

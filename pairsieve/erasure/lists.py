"""Hash lists that other organisations hand out, for child safety for instance.

A list holds MD5, SHA-1, SHA-256 or PDQ hashes, one a line or in columns, and no link is ever
opened. In a file with a header line the columns md5, sha1, sha256 and pdq count. Without a header
the length of a hash tells its type; 64 digits are SHA-256 unless the config says that the list is
of PDQ. pairsieve/erasure/list_file.py says which files can be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

from pairsieve.erasure.list_file import ListRow, UnreadableList, join_problems, read_entries
from pairsieve.images.pdq import ALIKE, Hashes, as_hashes, nearest, orientations

KINDS = ("md5", "sha1", "sha256", "pdq")
LENGTHS = {32: "md5", 40: "sha1", 64: "sha256"}
DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "pdq": 64}
ListKind = Literal["auto", "md5", "sha1", "sha256", "pdq"]
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True)
class HashList:
    """Known hashes by type, in lower-case hex."""

    known: Mapping[str, frozenset[str]]

    @cached_property
    def _pdq_orientations(self) -> Hashes:
        """All PDQ hashes of the list, turned and mirrored."""
        hashes: list[bytes] = []
        for digits in sorted(self.known["pdq"]):
            hashes += orientations(bytes.fromhex(digits))
        return as_hashes(hashes)

    def match(
        self, md5: str | None, sha1: str | None, sha256: str | None, pdq: Sequence[str] = ()
    ) -> str | None:
        """Return the type of hash by which a picture is on the list, or None.

        `pdq` holds hashes of the picture as it is and without its borders.
        """
        for kind, value in (("md5", md5), ("sha1", sha1), ("sha256", sha256)):
            if value and value in self.known[kind]:
                return kind
        if pdq and self.known["pdq"]:
            distances = nearest(as_hashes(map(bytes.fromhex, pdq)), self._pdq_orientations)
            if int(distances.min()) <= ALIKE:
                return "pdq"
        return None


def read_lists(paths: Mapping[str, ListKind]) -> HashList:
    """Read all lists into one. Raises UnreadableList, even when only one line cannot be read."""
    known: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for path, kind in paths.items():
        hashes, problems = read_entries(path, KINDS, partial(_hashes, kind=kind))
        if problems:
            raise UnreadableList(
                f"{path}: {join_problems(problems)}. Correct or remove these lines: nothing is "
                "matched against half a list"
            )
        for name, value in hashes:
            known[name].add(value)
    return HashList({kind: frozenset(values) for kind, values in known.items()})


def _hashes(row: ListRow, kind: ListKind) -> Iterator[tuple[str, str]]:
    """Yield the (type, hex digits) of a row. Raises ValueError for what is not such a hash."""
    # Without columns, the config says what the list holds.
    cells = {str(kind): row.first} if row.cells is None else row.cells
    for name, cell in cells.items():
        value = cell.lower()
        hash_type = LENGTHS.get(len(value), "") if name == "auto" else name
        if not _HEX.fullmatch(value) or DIGITS.get(hash_type) != len(value):
            label = "hash" if name == "auto" else name
            raise ValueError(f"this is not a {label} in hex digits")
        yield hash_type, value

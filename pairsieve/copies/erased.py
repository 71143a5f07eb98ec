"""Which rows of a copy were erased: told by tokens, in whatever columns the copy has kept.

A list of erased rows (`erasures/delta-....parquet`) has a column of tokens for each of IDS, URL and
sha256, as far as the dataset has them. What decides about a row of a copy:

1. `key` or `uid`, where the row has one in our form: exactly the erased rows go.
2. SAMPLE_ID and hash: a row with the one of an erased row goes. They do not save a row, because
   copies are often numbered anew.
3. The image's URL, where the row has no `key` or `uid`: every row with that URL goes.
4. The sha256 of the picture, where the row has no URL either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from pairsieve.erasure.tombstones import Key

EXACT, ALSO = ("key", "uid"), ("SAMPLE_ID", "hash")
IDS = (EXACT[0], *ALSO, EXACT[1])
URL, SHA256 = "URL", "sha256"
TOKENS = (*IDS, URL, SHA256)
"""The columns of a list of erased rows."""
URL_NAMES = ("url", "image_url")
"""What copies call the URL, in lower case."""
# Ours and DataComp's. img2dataset has a column of the same name: "000000001".
_EXACT_FORM = re.compile(r"[0-9a-f]{32}")

Row = Mapping[str, Any]
"""TOKENS that a row of a copy has, by these names."""


@dataclass(frozen=True)
class _Lists:
    """The lists that have the same columns, as one: column -> tokens."""

    tokens: Mapping[str, frozenset[str]]

    def decisive(self, row: Row) -> list[str]:
        """The columns by which these lists judge a row; none where they cannot."""
        exact = [name for name in EXACT if name in self.tokens and _is_exact(row.get(name))]
        also = [name for name in ALSO if name in self.tokens and row.get(name) is not None]
        if exact:
            return [*exact, *also]
        if URL in self.tokens and row.get(URL):
            return [*also, URL]
        if SHA256 in self.tokens and row.get(SHA256):
            return [*also, SHA256]
        return also


@dataclass(frozen=True)
class Verdict:
    """Whether a row was erased, and whether every list could tell."""

    erased: bool
    known: bool


@dataclass(frozen=True)
class Erased:
    """All erased rows that a feed tells of."""

    key: Key
    lists: Sequence[_Lists]

    @cached_property
    def nothing(self) -> bool:
        """Whether nobody was taken out."""
        return not self.lists

    def judge(self, row: Row) -> Verdict:
        """Judge one row of a copy."""
        tokens: dict[str, str] = {}
        known = True
        for lists in self.lists:
            names = lists.decisive(row)
            known = known and bool(names)
            for name in names:
                if name not in tokens:
                    tokens[name] = self.key.token(name, str(row[name]))
                if tokens[name] in lists.tokens[name]:
                    return Verdict(erased=True, known=True)
        return Verdict(erased=False, known=known)


def _is_exact(value: Any) -> bool:
    return isinstance(value, str) and _EXACT_FORM.fullmatch(value) is not None


def erased_of(key: Key, deltas: Iterable[pa.Table]) -> Erased:
    """The erased rows of some lists, with the key of their tokens."""
    by_columns: dict[tuple[str, ...], dict[str, set[str]]] = {}
    for delta in deltas:
        names = tuple(name for name in TOKENS if name in delta.column_names)
        if not delta.num_rows:
            continue
        united = by_columns.setdefault(names, {name: set() for name in names})
        for name in names:
            united[name].update(token for token in delta[name].to_pylist() if token)
    lists = [
        _Lists({name: frozenset(tokens) for name, tokens in united.items()})
        for united in by_columns.values()
    ]
    return Erased(key, lists)


def names_in(columns: Iterable[str]) -> dict[str, str]:
    """Our name of a column -> the copy's own, for those of TOKENS that a copy has."""
    columns = list(columns)
    found = {name: name for name in (*IDS, SHA256) if name in columns}
    urls = [name for name in columns if name.lower() in URL_NAMES]
    if urls:
        # The preferred name first, as in datasets that have both.
        found[URL] = min(urls, key=lambda name: URL_NAMES.index(name.lower()))
    return found


def row_of(values: Mapping[str, Any]) -> Row:
    """The columns of a row, from a record of a copy such as img2dataset's JSON."""
    return {ours: values[own] for ours, own in names_in(values).items()}

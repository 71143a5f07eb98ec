"""The schema.org types that a page declares, in JSON-LD or microdata."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from pairsieve.records.pair import Evidence
from pairsieve.web.html import TYPED, ParsedPage

MAX_TYPES = 50
MAX_DEPTH = 20


def json_types(value: Any, depth: int = 0) -> Iterator[str]:
    """Every `@type` in a JSON-LD value, without a namespace, to a bounded depth."""
    if depth > MAX_DEPTH:
        return
    if isinstance(value, dict):
        kinds = value.get("@type", [])
        yield from (
            _bare(kind)
            for kind in (kinds if isinstance(kinds, list) else [kinds])
            if isinstance(kind, str)
        )
        for child in value.values():
            yield from json_types(child, depth + 1)
    elif isinstance(value, list):
        for child in value:
            yield from json_types(child, depth + 1)


def _bare(kind: str) -> str:
    return kind.rstrip("/#").replace("#", "/").rpartition("/")[2].rpartition(":")[2]


def page_types(page: ParsedPage) -> Iterator[str]:
    """The types of a page."""
    for value in page.json_ld:
        yield from json_types(value)
    for node in page.elements[TYPED]:
        yield from (_bare(kind) for kind in (node.attributes.get("itemtype") or "").split())


@dataclass(frozen=True)
class PageTypes:
    """schema.org types of the page."""

    name: ClassVar[str] = "page_types"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.PAGE
    columns: ClassVar[Columns] = {"page_types": pa.list_(pa.string())}

    def load(self) -> Observe:
        def observe(page: ParsedPage) -> Evidence:
            return {"page_types": tuple(sorted(set(page_types(page))))[:MAX_TYPES]}

        return observe

"""Read the schema.org types that a page declares, in JSON-LD or in microdata."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from pairsieve.records.pair import Evidence
from pairsieve.web.html import TYPED, ParsedPage

MAX_TYPES = 50  # kept of one page
MAX_DEPTH = 20  # of JSON-LD, which may be nested without end


def json_types(value: Any, depth: int = 0) -> Iterator[str]:
    """Every `@type` in a JSON-LD value, without its namespace, to a bounded depth."""
    if depth > MAX_DEPTH:
        return
    children: list[Any] = []
    if isinstance(value, dict):
        types = value.get("@type", [])
        # `@type` is one name or a list of names
        for type_name in types if isinstance(types, list) else [types]:
            if isinstance(type_name, str):
                yield without_namespace(type_name)
        children = list(value.values())
    elif isinstance(value, list):
        children = value
    for child in children:
        yield from json_types(child, depth + 1)


def without_namespace(type_name: str) -> str:
    """`Patient` for `https://schema.org/Patient`, `schema.org#Patient` and `schema:Patient`."""
    path = type_name.rstrip("/#").replace("#", "/")
    last_part = path.rpartition("/")[2]
    return last_part.rpartition(":")[2]


def page_types(page: ParsedPage) -> Iterator[str]:
    """The types that a page declares; they may repeat."""
    for value in page.json_ld:
        yield from json_types(value)
    for node in page.elements[TYPED]:
        for type_name in (node.attributes.get("itemtype") or "").split():
            yield without_namespace(type_name)


@dataclass(frozen=True)
class PageTypes:
    """`page_types`: the schema.org types that a page declares, sorted, at most 50 of them."""

    name: ClassVar[str] = "page_types"
    version: ClassVar[int] = 2
    needs: ClassVar[Needs] = Needs.PAGE
    columns: ClassVar[Columns] = {"page_types": pa.list_(pa.string())}

    def load(self) -> Observe:
        def observe(page: ParsedPage) -> Evidence:
            types = sorted(set(page_types(page)))
            return {"page_types": tuple(types[:MAX_TYPES])}

        return observe

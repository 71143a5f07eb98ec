"""Which settings may be published: those whose type is written as Public[...]. All others are
private: nobody has to remember them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Annotated, Any, TypeVar, get_type_hints

Setting = TypeVar("Setting")


@dataclass(frozen=True)
class PublicClass:
    """The mark of a setting that may be published: it names no place of the machines that a dataset
    is made on.
    """


PUBLIC = PublicClass()
Public = Annotated[Setting, PUBLIC]
"""`least: Public[float]` in a dataclass of settings."""


def privacy_of(kind: type[Any]) -> Iterator[tuple[str, Any, bool]]:
    """Each setting of a dataclass: its name, its type, whether it may be published."""
    marked, plain = get_type_hints(kind, include_extras=True), get_type_hints(kind)
    for f in fields(kind):
        yield f.name, plain[f.name], PUBLIC in getattr(marked[f.name], "__metadata__", ())

"""Marks settings that may be published, by writing their type as Public[...].

All others are private. So a new setting is private unless somebody decides otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Annotated, Any, TypeVar, get_type_hints

Setting = TypeVar("Setting")


@dataclass(frozen=True)
class PublicClass:
    """The mark of a setting that may be published.

    Such a setting says nothing about the machines on which a dataset is made, such as a path.
    """


PUBLIC = PublicClass()
Public = Annotated[Setting, PUBLIC]
"""Used as `least: Public[float]` in a dataclass of settings."""


def privacy_of(settings_type: type[Any]) -> Iterator[tuple[str, Any, bool]]:
    """Yield (name, type, whether it may be published) for each setting of a dataclass."""
    marked_types = get_type_hints(settings_type, include_extras=True)
    plain_types = get_type_hints(settings_type)
    for f in fields(settings_type):
        marks = getattr(marked_types[f.name], "__metadata__", ())
        yield f.name, plain_types[f.name], PUBLIC in marks

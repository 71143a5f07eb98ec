"""What a published column is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

Privacy = Literal["address", "words", "fingerprint", "sensitive", "neutral"]
PRIVACY: Mapping[Privacy, str] = {
    "address": "leads to a page or picture, which may show or name somebody",
    "words": "written by people; may name somebody in spite of redaction",
    "fingerprint": "finds other copies of the same picture, page or pair",
    "sensitive": "a guess at what a picture or caption shows: people, health, nudity",
    "neutral": "says nothing of people by itself",
}
"""Kind of content -> why its columns need care, or none. Shown in the data card."""

Sources = Mapping[str, Any]
"""The columns of a sample, and those made for a row: `text` (the published caption), `public_key`,
`tags` and `private_tags`.
"""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A published column.

    `source` is the stage or the detector that it comes from. `value` computes the cell of a row.
    """

    name: str
    type: pa.DataType
    unit: str = ""
    source: str
    privacy: Privacy
    meaning: str
    value: Callable[[Sources], Any]


def copied(name: str) -> Callable[[Sources], Any]:
    """Return a function that copies a column of the sample; empty where the sample has none."""
    return lambda sources: sources.get(name)

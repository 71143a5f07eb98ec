"""The detector of personal data in a pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from filters.privacy.spans import kinds_in_url, personal_spans
from pairsieve.records.pair import Evidence, Pair


@dataclass(frozen=True)
class PersonalDataInPair:
    """Find personal data in captions, image URLs and page URLs.

    - `personal_spans`: kind, start and end of each piece of personal data in the caption.
    - `personal_in_urls`: the kinds of personal data in the two URLs.
    """

    name: ClassVar[str] = "personal_data"
    version: ClassVar[int] = 3
    needs: ClassVar[Needs] = Needs.PAIR
    columns: ClassVar[Columns] = {
        "personal_spans": pa.list_(
            pa.struct([("kind", pa.string()), ("start", pa.int32()), ("end", pa.int32())])
        ),
        "personal_in_urls": pa.list_(pa.string()),
    }

    def load(self) -> Observe:
        return observe_personal_data


def observe_personal_data(pair: Pair) -> Evidence:
    """The columns of PersonalDataInPair for one pair."""
    spans = personal_spans(pair.caption)
    kinds = kinds_in_url(pair.url) | kinds_in_url(pair.page_url)
    return {
        "personal_spans": tuple({"kind": s.kind, "start": s.start, "end": s.end} for s in spans),
        "personal_in_urls": tuple(sorted(kinds)),
    }

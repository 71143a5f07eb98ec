"""Medical words in captions, from an editable list for each language."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import ClassVar

import pyarrow as pa
import yaml

from filters.detector import Columns, Needs, Observe
from records.pair import Evidence, Pair


def shipped_terms() -> list[str]:
    """Every term of terms.yaml, all languages together: a caption's language is often not known."""
    lists: dict[str, dict[str, list[str]]] = yaml.safe_load(files("filters.medical").joinpath("terms.yaml").read_text("utf-8"))
    return sorted({term for kinds in lists.values() for terms in kinds.values() for term in terms})


def term_pattern(terms: Iterable[str]) -> re.Pattern[str]:
    """Whole words and phrases, whatever their case; the longest first. `*` at the end of a term allows any ending."""
    longest_first = sorted(terms, key=len, reverse=True)
    escaped = (re.escape(t.rstrip("*")) + (r"\w*" if t.endswith("*") else "") for t in longest_first)
    return re.compile(rf"(?<!\w)(?:{'|'.join(escaped)})(?!\w)", re.IGNORECASE)


@dataclass(frozen=True)
class MedicalCaption:
    """The medical terms in a caption. `extra_terms` are added to the shipped list."""

    name: ClassVar[str] = "medical_caption"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.PAIR
    columns: ClassVar[Columns] = {"medical_terms": pa.list_(pa.string())}

    extra_terms: tuple[str, ...] = ()

    def load(self) -> Observe:
        pattern = term_pattern([*shipped_terms(), *self.extra_terms])

        def observe(pair: Pair) -> Evidence:
            return {"medical_terms": tuple(sorted({match.lower() for match in pattern.findall(pair.caption)}))}

        return observe

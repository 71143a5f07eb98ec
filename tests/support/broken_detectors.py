"""Detectors that fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from filters.detector import Columns, Needs, Observe
from pairsieve.records.pair import Evidence, Pair


@dataclass(frozen=True)
class Broken:
    name: ClassVar[str] = "broken"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.PAIR
    columns: ClassVar[Columns] = {}

    def load(self) -> Observe:
        def observe(pair: Pair) -> Evidence:
            raise OverflowError(f"secret words {pair.caption}")

        return observe


@dataclass(frozen=True)
class Wibble:
    """Fails on some pairs, and says what they hold."""

    name: ClassVar[str] = "wibble"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.PAIR
    columns: ClassVar[Columns] = {}

    def load(self) -> Observe:
        def observe(pair: Pair) -> Evidence:
            if "raise" in pair.caption:
                raise ValueError(f"{pair.caption} at {pair.url}")
            return {}

        return observe

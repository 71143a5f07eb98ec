"""National identity, social security and tax numbers of persons, by country.

The table is `national_numbers.yaml`; python-stdnum checks the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

MOST_CHANCE = 0.001
"""Share of random numbers that may pass where no word has to announce one."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """One kind of national number.

    - `form`: regular expression of how it is written.
    - `checked_by`: module of python-stdnum that checks it, without the `stdnum.`; None where the
      form is all there is to check.
    - `chance`: measured share of random numbers that pass. A random number is one of this form,
      with another digit for each digit and another letter for each letter; each separator, and
      each change between digits and letters, counts as one way of four to write on.
    - `words`: words of which one must stand before the number; none where `chance` is below
      MOST_CHANCE.
    """

    form: str
    checked_by: str | None
    chance: float
    words: tuple[str, ...] = ()


@lru_cache(1)
def without_word() -> Sequence[Identifier]:
    """Numbers that count wherever they stand."""
    return _table("without_word")


@lru_cache(1)
def behind_word() -> Sequence[Identifier]:
    """Numbers that count behind one of their words."""
    return _table("behind_word")


def _table(name: str) -> Sequence[Identifier]:
    text = files("filters.privacy").joinpath("national_numbers.yaml").read_text("utf-8")
    rows: Sequence[dict[str, Any]] = yaml.safe_load(text)[name]
    identifiers = []
    for row in rows:
        words = tuple(row.get("words", ()))
        identifiers.append(Identifier(**{**row, "words": words}))
    return tuple(identifiers)

"""The texts of a batch, and what several detectors ask of them, which is found once."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from filters.batch import RowMask
from filters.joined_texts import (
    BORDER,
    JoinedTexts,
    Words,
    find_runs,
    join_column,
    join_texts,
    joined_content,
    words_in,
)

Key = TypeVar("Key", bound=Hashable)
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class TextBatch:
    """Many texts. An empty cell is an empty text, and a blank is read for each BORDER."""

    column: pa.ChunkedArray

    def __len__(self) -> int:
        return len(self.column)

    @cached_property
    def chars(self) -> NDArray[np.int64]:
        """Characters of each text."""
        lengths = pc.fill_null(pc.utf8_length(self.column), 0)
        return np.asarray(lengths.to_numpy(), np.int64)

    @cached_property
    def runs(self) -> Words:
        """The runs of letters and of characters outside ASCII (filters/joined_texts.py)."""
        return find_runs(self._content)

    @cached_property
    def with_digits(self) -> RowMask:
        """The texts that have a digit of any script."""
        is_digit = (self._content >= ord("0")) & (self._content <= ord("9"))
        borders = np.flatnonzero(self._content == ord(BORDER))
        found = self.runs.texts_with(_has_other_digit)
        found[np.searchsorted(borders, np.flatnonzero(is_digit))] = True
        return found

    def with_words(
        self, word: re.Pattern[str], is_such: Callable[[str], bool], among: RowMask
    ) -> RowMask:
        """Those of some texts that have a word of a kind; see `find_words`."""
        runs = self.runs.of(among)
        return runs.texts_with_any(words_in(join_texts(runs.distinct), word).texts_with(is_such))

    def joined(self, rows: NDArray[np.int64]) -> JoinedTexts:
        """The texts with these numbers, of which there is one at least."""
        return join_column(self.column.take(pa.array(rows)))

    @cached_property
    def _content(self) -> NDArray[np.uint8]:
        return joined_content(self.column)


def _has_other_digit(run: str) -> bool:
    return not run.isascii() and _DIGIT.search(run) is not None


def rows_by_key(
    languages: pa.ChunkedArray, is_long: RowMask, key_of: Callable[[str, bool], Key]
) -> Mapping[Key, RowMask]:
    """Key -> the rows that have it; a key is made of a language and of `is_long`.

    `key_of` is asked once about each language, long and short. An empty cell is the language "".
    """
    encoded = pc.fill_null(languages, "").combine_chunks().dictionary_encode()
    # A kind is a language together with a length: an even number is short, an odd one long.
    kinds = 2 * encoded.indices.to_numpy().astype(np.int64) + is_long
    masks: dict[Key, RowMask] = {}
    for kind in np.flatnonzero(np.bincount(kinds)).tolist():
        number, is_long_text = divmod(kind, 2)
        key = key_of(encoded.dictionary[number].as_py(), bool(is_long_text))
        of_kind = kinds == kind
        masks[key] = masks[key] | of_kind if key in masks else of_kind
    return masks

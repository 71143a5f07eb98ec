"""The texts of a batch, and what several detectors ask of them, which is found once."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from filters.batch import RowMask, truth
from filters.folding import folded_words
from filters.joined_texts import (
    BORDER,
    LETTERS,
    JoinedTexts,
    WordsByRuns,
    find_runs,
    hold_border,
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
    def with_border(self) -> RowMask:
        """The texts that hold BORDER."""
        if not hold_border(self.column):
            return np.zeros(len(self), np.bool_)
        return truth(pc.match_substring(self.column, BORDER))

    @cached_property
    def words(self) -> WordsByRuns:
        """The runs of letters in the texts, folded (`folded_words`)."""
        runs = find_runs(self._content)
        return WordsByRuns(words_in(join_texts(runs.distinct).changed(folded_words), LETTERS), runs)

    @cached_property
    def longer_in_lower_case(self) -> RowMask:
        """The texts that have more characters in lower case."""
        runs = join_texts(self.words.runs.distinct)
        lower = runs.changed(str.lower)
        if len(lower.joined) == len(runs.joined):
            return np.zeros(len(self), np.bool_)
        return self.words.runs.texts_with_any(lower.lengths != runs.lengths)

    @cached_property
    def with_digits(self) -> RowMask:
        """The texts that have a digit of any script."""
        return self.with_any("0123456789", _DIGIT)

    def with_any(self, characters: str, others: re.Pattern[str]) -> RowMask:
        """The texts that have one of some characters of ASCII, or one of others outside ASCII."""
        runs = self.words.runs
        numbers, joined = self._runs_outside_ascii
        places = np.array([match.start() for match in others.finditer(joined.joined)], np.int64)
        such = np.zeros(len(runs.distinct), np.bool_)
        such[numbers[joined.rows(places)]] = True
        return self.with_ascii(characters) | runs.texts_with_any(such)

    def with_ascii(self, characters: str) -> RowMask:
        """The texts that have one of some characters of ASCII."""
        is_such = np.zeros(256, np.bool_)
        is_such[list(characters.encode("ascii"))] = True
        found = np.zeros(len(self), np.bool_)
        found[np.searchsorted(self._borders, np.flatnonzero(is_such.take(self._content)))] = True
        return found

    def with_words(self, words: Set[str]) -> RowMask:
        """The texts that have one of some words that are folded (`folded_words`)."""
        is_such = map(words.__contains__, self.words.distinct)
        return self.words.texts_with_any(np.fromiter(is_such, np.bool_, len(self.words.distinct)))

    def joined(self, rows: NDArray[np.int64]) -> JoinedTexts:
        """The texts with these numbers, of which there is one at least."""
        return join_column(self.column.take(pa.array(rows)))

    @cached_property
    def _runs_outside_ascii(self) -> tuple[NDArray[np.int64], JoinedTexts]:
        """The distinct runs with a character outside ASCII, with their numbers."""
        distinct = self.words.runs.distinct
        is_ascii = np.fromiter(map(str.isascii, distinct), np.bool_, len(distinct))
        numbers = np.flatnonzero(~is_ascii)
        return numbers, join_texts([distinct[number] for number in numbers.tolist()])

    @cached_property
    def _content(self) -> NDArray[np.uint8]:
        return joined_content(self.column)

    @cached_property
    def _borders(self) -> NDArray[np.int64]:
        return np.flatnonzero(self._content == ord(BORDER))


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

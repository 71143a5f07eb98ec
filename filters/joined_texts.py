"""Many texts as one, so that they are read by a few calls and not by some calls each.

Functions that read a text letter by letter, such as `str.lower`, a search for words or an automaton
of terms, read many texts at the cost of one call. Between two texts stands BORDER, which is neither
a letter, a digit nor a blank: words end there as they end where a text does.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import count, islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from filters.batch import RowMask

BORDER = "\0"
LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class JoinedTexts:
    """Texts with BORDER between them; no text may hold one itself. Made by `join_texts`.

    Masks have one truth value for each text.
    """

    joined: str

    def changed(self, change: Callable[[str], str]) -> JoinedTexts:
        """The same texts after a change that reads letter by letter, and keeps borders."""
        return JoinedTexts(change(self.joined))

    def without_outer_blanks(self) -> JoinedTexts:
        """The same texts, of which none begins or ends with two blanks, without such a blank."""
        without = self.joined.replace(f" {BORDER}", BORDER).replace(f"{BORDER} ", BORDER)
        return JoinedTexts(without)

    @cached_property
    def texts(self) -> list[str]:
        """Every text."""
        return self.joined.split(BORDER)

    @cached_property
    def number(self) -> int:
        """How many texts there are."""
        return self.joined.count(BORDER) + 1

    @cached_property
    def column(self) -> pa.ChunkedArray:
        """The texts as a column."""
        content = np.frombuffer(self.joined.encode(), np.uint8)
        is_border = content == ord(BORDER)
        # without borders each text ends where the next one begins
        ends = np.flatnonzero(is_border) - np.arange(self.number - 1)
        chars = content[~is_border]
        offsets = np.concatenate([[0], ends, [len(chars)]]).astype(np.int64)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(chars)]
        return pa.chunked_array([pa.Array.from_buffers(pa.large_string(), self.number, buffers)])

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Characters of each text."""
        ends = np.append(self._borders, len(self._codes))
        return np.diff(ends, prepend=-1) - 1

    def rows(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of the text that stands at each of these places in `joined`."""
        return np.searchsorted(self._borders, positions)

    def of(self, rows: NDArray[np.int64]) -> JoinedTexts:
        """The texts with these numbers, of which there is one at least."""
        return join_column(self.column.take(pa.array(rows)))

    def marked(self, rows: NDArray[np.int64]) -> RowMask:
        """The mask of the texts with these numbers."""
        mask = np.zeros(self.number, np.bool_)
        mask[rows] = True
        return mask

    def any(self, masks: Iterable[RowMask | None]) -> RowMask:
        """The texts that are in one of these masks; None stands for a mask without any."""
        found = np.zeros(self.number, np.bool_)
        for mask in masks:
            if mask is not None:
                found |= mask
        return found

    def are(self, positions: NDArray[np.int64], is_such: Callable[[str], bool]) -> RowMask:
        """Whether the characters at these places are of a kind; False outside of `joined`."""
        padded = np.concatenate([self._codes, np.zeros(1, np.uint32)])
        codes = padded[positions]
        of_kind = np.zeros(sys.maxunicode + 1, np.bool_)
        of_kind[codes] = True
        for code in np.flatnonzero(of_kind).tolist():
            of_kind[code] = is_such(chr(code))
        return np.asarray(of_kind[codes], np.bool_)

    def words_around(
        self, starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Starts and ends of places, with the rest of the words that they are part of."""
        before = np.searchsorted(self._no_word, starts) - 1
        behind = np.searchsorted(self._no_word, ends)
        return self._no_word[before] + 1, self._no_word[behind]

    @cached_property
    def _no_word(self) -> NDArray[np.int64]:
        """Where neither a letter nor a digit stands, in `joined` and directly around it."""
        places = np.arange(-1, len(self._codes) + 1)
        return places[~self.are(places, str.isalnum)]

    @cached_property
    def _borders(self) -> NDArray[np.int64]:
        return np.flatnonzero(self._codes == ord(BORDER))

    @cached_property
    def _codes(self) -> NDArray[np.uint32]:
        return np.frombuffer(self.joined.encode("utf-32-le", "surrogatepass"), "<u4")


@dataclass(frozen=True)
class Words:
    """The words of many texts; made by `find_words`.

    - `distinct`: each word once; the first is empty, and no word.
    - `numbers`: for each place of a word, its number in `distinct`. `rows`: the number of its text.
    - `texts`: how many texts there are.
    """

    distinct: Sequence[str]
    numbers: NDArray[np.int64]
    rows: NDArray[np.int64]
    texts: int

    @property
    def times(self) -> NDArray[np.int64]:
        """How many times each word of `distinct` stands in the texts."""
        return np.bincount(self.numbers, minlength=len(self.distinct))

    def texts_with(self, is_such: Callable[[str], bool]) -> RowMask:
        """The texts that have a word of a kind. No empty word must be of it."""
        return self.texts_with_any(np.array([is_such(word) for word in self.distinct], np.bool_))

    def texts_with_any(self, such: RowMask) -> RowMask:
        """The texts that have one of some words, of which a mask of `distinct` is true."""
        mask = np.zeros(self.texts, np.bool_)
        mask[self.rows[such[self.numbers]]] = True
        return mask

    def only(self, such: RowMask) -> Words:
        """Some of the words alone, of which a mask of `distinct` is true."""
        chosen = such[self.numbers]
        return Words(self.distinct, self.numbers[chosen], self.rows[chosen], self.texts)

    def among(self, texts: RowMask) -> Words:
        """The words of some of the texts, with the numbers that they have."""
        chosen = texts[self.rows]
        return Words(self.distinct, self.numbers[chosen], self.rows[chosen], self.texts)

    def of(self, texts: RowMask) -> Words:
        """The words of some of the texts, and no others in `distinct`."""
        if texts.all():
            return self
        words = self.among(texts)
        is_used = np.zeros(len(self.distinct), np.bool_)
        is_used[words.numbers] = True
        is_used[0] = True  # the empty word stays the first
        new_numbers = np.cumsum(is_used) - 1
        distinct = [self.distinct[number] for number in np.flatnonzero(is_used).tolist()]
        return Words(distinct, new_numbers[words.numbers], words.rows, self.texts)

    def once(self) -> Words:
        """The same, with each word of a text once."""
        places = np.unique(self.rows * len(self.distinct) + self.numbers)
        rows, numbers = np.divmod(places, len(self.distinct))
        return Words(self.distinct, numbers, rows, self.texts)

    def in_place_of(self, words: Words) -> Words:
        """Texts in which these words stand in place of others.

        `rows` of these words are the numbers of the others in `words.distinct`, in order.
        """
        how_many = np.bincount(self.rows, minlength=self.texts)
        words = words.only(how_many > 0)
        firsts = np.cumsum(how_many) - how_many
        of_place = how_many[words.numbers]
        # first, second, ... in each place
        within = np.arange(of_place.sum()) - np.repeat(np.cumsum(of_place) - of_place, of_place)
        chosen = np.repeat(firsts[words.numbers], of_place) + within
        rows = np.repeat(words.rows, of_place)
        return Words(self.distinct, self.numbers[chosen], rows, words.texts)

    def sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """The sum of the values of each text's words, given those of `distinct`; shape (texts,)."""
        weights = np.asarray(values, np.float64)[self.numbers]
        sums = np.bincount(self.rows, weights=weights, minlength=self.texts)
        return np.asarray(sums, np.float64)


@dataclass(frozen=True)
class WordsByRuns:
    """The words of many texts by the runs of letters in which they stand.

    Most questions are about few words: the places of these alone are found. `words` are those of
    each distinct run, and `runs` those of each text.
    """

    words: Words
    runs: Words

    @property
    def distinct(self) -> Sequence[str]:
        """Each word once; the first is empty, and no word."""
        return self.words.distinct

    @property
    def texts(self) -> int:
        """How many texts there are."""
        return self.runs.texts

    def among(self, texts: RowMask) -> WordsByRuns:
        """The words of some of the texts, and no others in `distinct`."""
        if texts.all():
            return self
        runs = self.runs.among(texts)
        return WordsByRuns(self.words.of(runs.times > 0), runs)

    @property
    def times(self) -> NDArray[np.int64]:
        """How many times each word of `distinct` stands in the texts."""
        times = self.runs.times[self.words.rows]
        return np.bincount(self.words.numbers, times, len(self.distinct)).astype(np.int64)

    def of_length(self, least: int) -> WordsByRuns:
        """The words with so many letters at least."""
        lengths = np.fromiter(map(len, self.distinct), np.int64)
        return WordsByRuns(self.words.only(lengths >= least), self.runs)

    def only(self, such: RowMask) -> Words:
        """Some words alone, of which a mask of `distinct` is true."""
        return self.words.only(such).in_place_of(self.runs)

    def of(self, texts: RowMask) -> Words:
        """The same without their runs."""
        return self.words.in_place_of(self.runs.among(texts)).of(texts)

    def texts_with(self, is_such: Callable[[str], bool]) -> RowMask:
        """The texts that have a word of a kind. No empty word must be of it."""
        return self.runs.texts_with_any(self.words.texts_with(is_such))

    def texts_with_any(self, such: RowMask) -> RowMask:
        """The texts that have one of some words, of which a mask of `distinct` is true."""
        return self.runs.texts_with_any(self.words.texts_with_any(such))


def join_texts(texts: Sequence[str]) -> JoinedTexts:
    """Join texts, of which there is one at least and none holds BORDER."""
    return JoinedTexts(BORDER.join(texts))


def join_column(texts: pa.ChunkedArray) -> JoinedTexts:
    """Join the texts of a column; a blank stands for each BORDER in them."""
    return JoinedTexts(_joined(texts).as_py())


def joined_content(texts: pa.ChunkedArray) -> NDArray[np.uint8]:
    """The same in UTF-8."""
    return np.frombuffer(_joined(texts).as_buffer(), np.uint8)


def hold_border(texts: pa.ChunkedArray) -> bool:
    """Whether a text of a column holds BORDER, or may do so; a quicker look than that at each."""
    contents = (chunk.buffers()[2] for chunk in texts.cast(pa.large_string()).chunks)
    return not all(np.frombuffer(content, np.uint8).all() for content in contents if content)


def _joined(texts: pa.ChunkedArray) -> Any:
    filled = pc.fill_null(texts.cast(pa.large_string()), "")
    if hold_border(filled):
        filled = pc.replace_substring(filled, BORDER, " ")
    whole = filled.combine_chunks()
    one_list = pa.ListArray.from_arrays([0, len(whole)], whole)
    (joined,) = pc.binary_join(one_list, pa.scalar(BORDER, pa.large_string()))
    return joined


def find_words(texts: JoinedTexts, word: re.Pattern[str]) -> Words:
    """The words of texts, where a pattern says what a word is.

    Of ASCII it must match letters alone. So no word is longer than a run of letters and of
    characters outside ASCII, and of equal runs one is read.
    """
    runs = find_runs(np.frombuffer(texts.joined.encode("utf-8", "surrogatepass"), np.uint8))
    return words_in(join_texts(runs.distinct), word).in_place_of(runs)


def words_in(texts: JoinedTexts, word: re.Pattern[str]) -> Words:
    """The same for texts of which few are alike."""
    found = re.findall(f"{word.pattern}|{BORDER}", texts.joined, word.flags)
    known = dict(zip(dict.fromkeys([BORDER, *found]), count()))
    numbers = np.fromiter(map(known.__getitem__, found), np.int64, len(found))
    is_word = numbers > 0
    rows = np.cumsum(~is_word).astype(np.int64)
    distinct = ["", *islice(known, 1, None)]
    return Words(distinct, numbers[is_word], rows[is_word], texts.number)


def find_runs(content: NDArray[np.uint8]) -> Words:
    """Runs of letters and of characters outside ASCII, as words.

    `content` is that of joined texts in UTF-8.
    """
    in_run = _in_runs().take(content)
    # a run begins, and the next one ends, where this changes
    changes = np.flatnonzero(np.diff(in_run, prepend=False, append=False))
    starts, ends = changes[::2], changes[1::2]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(ends - starts)])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(content[in_run])]
    runs = pa.Array.from_buffers(pa.large_binary(), len(starts), buffers).dictionary_encode()
    borders = np.flatnonzero(content == ord(BORDER))
    of_text = np.diff(np.searchsorted(starts, borders), prepend=0, append=len(starts))
    distinct = [run.decode("utf-8", "surrogatepass") for run in runs.dictionary.to_pylist()]
    return Words(
        distinct=["", *distinct],
        numbers=runs.indices.to_numpy().astype(np.int64) + 1,
        rows=np.repeat(np.arange(len(of_text)), of_text),
        texts=len(of_text),
    )


@lru_cache(1)
def _in_runs() -> NDArray[np.bool_]:
    """Which bytes of UTF-8 belong to letters of ASCII, and to characters outside it."""
    return np.array([byte >= 128 or chr(byte).isalpha() for byte in range(256)], np.bool_)

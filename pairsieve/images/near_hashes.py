"""Finds all pairs of near perceptual hashes without comparing every hash with every other one.

Multi-index hashing (Norouzi, Punjani and Fleet, "Fast Search in Hamming Space with Multi-Index
Hashing", CVPR 2012). The 256 bits of a hash are 16 bands of 16 bits; four bands are a word. By the
pigeonhole principle two hashes that differ in at most r bits

- have a word in which they differ in at most r // 4 bits, and
- within this word a band in which they differ in at most r // 16 bits.

For r = 31 these are 7 bits of a word and 1 bit of a band; for r = 15 they are 3 bits and none. So
it is enough to compare the hashes that share a value of a band, or whose values differ in one bit,
and of those one word of 64 bits. What passes is compared as a whole. Every pair up to the distance
is found: nothing is left to chance.

The work for n hashes whose bands are evenly spread is about n * n / 480 comparisons of a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pairsieve.images.pdq import ALIKE, BYTES, Hashes

BANDS = 16
BAND_BITS = 16
WORDS = 4
BANDS_PER_WORD = BANDS // WORDS
ALL_VALUES = range(1 << BAND_BITS)
SINGLE_BITS = tuple(1 << bit for bit in range(BAND_BITS))
MOST_BITS = 31
"""The largest distance that one differing bit of a band is enough for: 16 * (1 + 1) - 1."""
BLOCK_CELLS = 1 << 16  # comparisons at a time: 512 kB of words, which a core's cache holds
SPARSE_ROWS = 1_500_000
"""Of a band, up to which all values are compared at once: some 20 hashes share a value."""
SPARSE_CELLS = 1 << 15  # comparisons at a time: what is made of them stays in a core's cache
MOST_COMPARED = 20_000
"""Hashes of one band's value that each hash is compared with.

Values of a band are shared by n / 65,536 hashes, so that this many need 1.3 billion different
hashes, or somebody who makes them on purpose. A million hashes of one value then cost 20 billion
comparisons and not 500 billion. What is left out is counted. A pair is lost only where all bands in
which it would be found are so full.
"""

Rows = NDArray[np.int64]
Words = NDArray[np.uint64]


@dataclass(frozen=True)
class NearPairs:
    """Row numbers of near hashes, side by side; and how many pairs of rows were not compared."""

    left: Rows
    right: Rows
    left_out: int = 0


def band_values(hashes: Hashes, band: int) -> NDArray[np.uint16]:
    """Return the 16 bits of a band of each hash (n, 32)."""
    values = hashes[:, 2 * band : 2 * band + 2].astype(np.uint16)
    joined: NDArray[np.uint16] = values[:, 0] << np.uint16(8) | values[:, 1]
    return joined


def words_of(hashes: Hashes) -> Words:
    """Return hashes (n, 32) as words (n, 4)."""
    return np.ascontiguousarray(hashes).view(np.uint64).reshape(-1, WORDS)


def most_of_band(most_bits: int) -> int:
    """Return how many bits of a band may differ at a distance: 0 or 1.

    Raises ValueError for a distance above MOST_BITS.
    """
    if not 0 <= most_bits <= MOST_BITS:
        raise ValueError(f"a distance of {most_bits} bits; it must be from 0 to {MOST_BITS}")
    return most_bits // BANDS


def is_first_band(
    left: Hashes, right: Hashes, band: int, most_bits: int = ALIKE
) -> NDArray[np.bool_]:
    """Return which pairs of hashes, row by row, are found in this band and in none before it.

    A pair is usually found in many bands. Only one of them yields it.
    """
    differing = np.bitwise_count(left ^ right).astype(np.int64)
    of_bands = differing.reshape(-1, BANDS, BYTES // BANDS).sum(axis=2)
    of_words = of_bands.reshape(-1, WORDS, BANDS_PER_WORD).sum(axis=2)
    in_word = np.repeat(of_words <= most_bits // WORDS, BANDS_PER_WORD, axis=1)
    found = (of_bands <= most_of_band(most_bits)) & in_word
    first: NDArray[np.bool_] = found.argmax(axis=1) == band
    return first


def order_of(
    hashes: Hashes, turned: NDArray[np.bool_], values: NDArray[np.uint16]
) -> NDArray[np.int64]:
    """Return rows sorted by their value, plain ones before turned ones, then by their hash.

    The same as `np.lexsort([*words_of(hashes).T, turned, values])`, in a fraction of the time: one
    number has the value and the first bits of what follows, and only rows that share it are sorted
    by everything.
    """
    words = words_of(hashes)
    first = words[:, -1] >> np.uint64(BAND_BITS + 1)
    coarse = values.astype(np.uint64) << np.uint64(48) | turned.astype(np.uint64) << np.uint64(47)
    coarse |= first
    order = np.argsort(coarse, kind="stable")
    in_order = coarse[order]
    is_tied = np.zeros(len(order), np.bool_)
    is_tied[1:] = in_order[1:] == in_order[:-1]
    is_tied[:-1] |= is_tied[1:]
    places = np.flatnonzero(is_tied)
    rows = order[places]
    order[places] = rows[np.lexsort([*words[rows].T, turned[rows], values[rows]])]
    return order


@dataclass(frozen=True)
class _Runs:
    """Rows in the order of a band's values: those from `starts[i]` on have `values[i]`.

    `words` has the words of each run: first those of `plain[i]` plain hashes, then those of turned
    ones. `number_of` has the number of a value's run, -1 for none. These are lists, because they
    are looked at one by one.
    """

    values: list[int]
    starts: list[int]
    plain: list[int]
    words: list[Words]
    number_of: list[int]

    @classmethod
    def of(cls, values: NDArray[np.uint16], words: Words, turned: NDArray[np.bool_]) -> _Runs:
        """The runs of sorted values."""
        distinct, starts = np.unique(values, return_index=True)
        ends = np.append(starts[1:], len(values))

        turned_before = np.concatenate([[0], np.cumsum(turned)])
        turned_in_run = turned_before[ends] - turned_before[starts]
        plain_in_run = ends - starts - turned_in_run

        number_of = np.full(1 << BAND_BITS, -1, np.int64)
        number_of[distinct] = np.arange(len(distinct))

        borders = zip(starts.tolist(), ends.tolist(), strict=True)
        return cls(
            values=distinct.tolist(),
            starts=starts.tolist(),
            plain=plain_in_run.tolist(),
            words=[words[start:end] for start, end in borders],
            number_of=number_of.tolist(),
        )

    def neighbours(self, run: int, within: range) -> list[int]:
        """The runs whose value has one bit more: so each pair of neighbours is met once."""
        value = self.values[run]
        others = [value | bit for bit in SINGLE_BITS if not value & bit]
        numbers = [self.number_of[other] for other in others if other in within]
        return [number for number in numbers if number >= 0]


@dataclass(frozen=True)
class BandSettings:
    """How hashes are compared in a band.

    `values`: a pair is yielded where the larger of its two values of the band lies among these.
    So the work on a band can be divided. `most_compared`: see MOST_COMPARED.
    """

    band: int
    most_bits: int = ALIKE
    values: range = ALL_VALUES
    most_compared: int = MOST_COMPARED


def near_in_band(
    hashes: Hashes, settings: BandSettings, turned: NDArray[np.bool_] | None = None
) -> Iterator[NearPairs]:
    """Yield the pairs of rows of (n, 32) that lie near each other and are first found in a band.

    Each pair comes once: over all bands together these are all pairs, each once. Which of the two
    is `left` depends on the hashes alone where all are different. What is yielded at a time is
    small; `left_out` says how many pairs `most_compared` left out. Two rows that are both `turned`
    are not compared: the pictures that they were turned from are.
    """
    band, most_bits = settings.band, settings.most_bits
    is_turned = np.zeros(len(hashes), np.bool_) if turned is None else turned
    # Within a value by the whole hash: the order of the input has no influence.
    order = order_of(hashes, is_turned, band_values(hashes, band))
    ordered = np.ascontiguousarray(hashes[order])
    words = np.ascontiguousarray(words_of(ordered)[:, band // BANDS_PER_WORD])
    values = band_values(ordered, band)
    sizes = np.bincount(values, minlength=1 << BAND_BITS)
    if len(ordered) <= SPARSE_ROWS and sizes.max() <= settings.most_compared:
        for pairs in _near_words_of_all(values, words, is_turned[order], settings):
            left, right = _checked(ordered, *pairs, band, most_bits)
            if len(left):
                yield NearPairs(order[left], order[right])
        return
    runs = _Runs.of(values, words, is_turned[order])
    nothing = np.empty(0, np.int64)
    is_full = sizes.max() > settings.most_compared
    for run, value in enumerate(runs.values):
        neighbours = runs.neighbours(run, settings.values) if most_of_band(most_bits) else []
        compared = _Run(runs, run, neighbours, most_bits // WORDS, settings.most_compared)
        with_itself = value in settings.values
        for pairs in compared.near_words(with_itself):
            left, right = _checked(ordered, *pairs, band, most_bits)
            if len(left):
                yield NearPairs(order[left], order[right])
        left_out = compared.left_out(with_itself) if is_full else 0
        if left_out:
            yield NearPairs(nothing, nothing, left_out)


def _near_words_of_all(
    values: NDArray[np.uint16],
    words: Words,
    turned: NDArray[np.bool_],
    settings: BandSettings,
) -> Iterator[tuple[Rows, Rows]]:
    """Yield the rows whose words are near, for the whole band at once.

    Where few hashes share a value, this takes half of the time of going from value to value.
    `values` are sorted, and plain rows of a value lie before turned ones.
    """
    of_rows = values.astype(np.int64)
    begins = np.searchsorted(of_rows, np.arange((1 << BAND_BITS) + 1))
    plain = np.bincount(of_rows[~turned], minlength=1 << BAND_BITS)
    rows = np.arange(len(of_rows))
    within = settings.values

    # With the rows behind it of its own value. Behind a turned row all are turned.
    own = rows[(of_rows >= within.start) & (of_rows < within.stop) & ~turned]
    yield from _near_ranges(words, own, own + 1, begins[of_rows[own] + 1], settings)

    for bit in SINGLE_BITS if most_of_band(settings.most_bits) else ():
        # With the value that has one bit more: so each pair of neighbours is met once.
        other = of_rows | bit
        left = rows[(of_rows & bit == 0) & (other >= within.start) & (other < within.stop)]
        begin = begins[other[left]]
        end = np.where(turned[left], begin + plain[other[left]], begins[other[left] + 1])
        yield from _near_ranges(words, left, begin, end, settings)


def _near_ranges(
    words: Words, rows: Rows, begins: Rows, ends: Rows, settings: BandSettings
) -> Iterator[tuple[Rows, Rows]]:
    """Compare each of some rows with those from its begin to its end; yield what is near."""
    is_there = ends > begins
    rows, begins = rows[is_there], begins[is_there]
    before = np.concatenate([[0], np.cumsum(ends[is_there] - begins)])
    start = 0
    while start < len(rows):
        # As many rows as make a block, but one at least.
        stop = int(np.searchsorted(before, before[start] + SPARSE_CELLS, "right")) - 1
        stop = max(stop, start + 1)
        sizes = np.diff(before[start : stop + 1])
        right = np.arange(before[start], before[stop])
        right += np.repeat(begins[start:stop] - before[start:stop], sizes)
        differing = np.bitwise_count(np.repeat(words[rows[start:stop]], sizes) ^ words[right])
        near = np.flatnonzero(differing <= settings.most_bits // WORDS)
        if len(near):
            left = np.searchsorted(before, near + before[start], "right") - 1
            yield rows[left], right[near]
        start = stop


@dataclass(frozen=True)
class _Run:
    """A run that is compared with itself and with its neighbours."""

    runs: _Runs
    number: int
    neighbours: Sequence[int]
    most_of_word: int
    most_compared: int

    def near_words(self, with_itself: bool) -> Iterator[tuple[Rows, Rows]]:
        """Yield the rows whose words are near."""
        words = self.runs.words[self.number]
        plain = self.runs.plain[self.number]
        no_words = words[:0]
        beside = [self.runs.words[number][: self.most_compared] for number in self.neighbours]
        yield from self._near(slice(0, plain), words if with_itself else no_words, beside)
        if plain == len(words):
            return
        # Turned rows are compared with plain ones alone.
        plain_beside = []
        for number, words_beside in zip(self.neighbours, beside, strict=True):
            plain_beside.append(words_beside[: self.runs.plain[number]])
        yield from self._near(slice(plain, len(words)), no_words, plain_beside)

    def _near(
        self, rows: slice, own: Words, beside: Sequence[Words]
    ) -> Iterator[tuple[Rows, Rows]]:
        """Compare rows of the run with those behind them in `own`, and with others."""
        columns = min(len(own), self.most_compared) + sum(map(len, beside))
        if not columns:
            return
        words = self.runs.words[self.number]
        step = max(1, BLOCK_CELLS // columns)
        for start in range(rows.start, rows.stop, step):
            stop = min(start + step, rows.stop)
            # A row is compared with those behind it, so that each pair is met once.
            following = own[start : stop + self.most_compared]
            others = np.concatenate([following, *beside])
            differing = np.bitwise_count(words[start:stop, None] ^ others)
            left, right = np.divmod(np.flatnonzero(differing <= self.most_of_word), len(others))
            is_behind = (right > left) & (right - left <= self.most_compared)
            keep = (right >= len(following)) | is_behind
            if keep.any():
                numbers = self._row_numbers(start, len(following), beside)
                first = self.runs.starts[self.number] + start
                yield left[keep] + first, numbers[right[keep]]

    def _row_numbers(self, start: int, following: int, beside: Sequence[Words]) -> Rows:
        """The number of the row that each column of a block is."""
        first = self.runs.starts[self.number] + start
        numbers = [np.arange(first, first + following)]
        for number, words in zip(self.neighbours, beside, strict=True):
            begin = self.runs.starts[number]
            numbers.append(np.arange(begin, begin + len(words)))
        return np.concatenate(numbers)

    def left_out(self, with_itself: bool) -> int:
        """How many pairs are not compared, because the run or a neighbour is too full."""
        size, plain = len(self.runs.words[self.number]), self.runs.plain[self.number]
        number = 0
        beyond = size - 1 - self.most_compared
        if with_itself and beyond > 0:
            # The first rows have 1, 2, 3 ... rows too far behind them.
            rows = min(plain, beyond)
            number += rows * beyond - rows * (rows - 1) // 2
        for neighbour in self.neighbours:
            number += size * max(0, len(self.runs.words[neighbour]) - self.most_compared)
        return number


def _checked(
    hashes: Hashes, left: Rows, right: Rows, band: int, most_bits: int
) -> tuple[Rows, Rows]:
    """The pairs whose whole hashes are near, and that no other band yields."""
    distances = distances_of(hashes[left], hashes[right])
    near = distances <= most_bits
    left, right = left[near], right[near]
    if not len(left):
        return left, right
    first = is_first_band(hashes[left], hashes[right], band, most_bits)
    return left[first], right[first]


def distances_of(left: Hashes, right: Hashes) -> NDArray[np.int64]:
    """Return the distance in bits of two hashes (n, 32), row by row."""
    differing = np.bitwise_count(words_of(left) ^ words_of(right))
    distances: NDArray[np.int64] = differing.sum(axis=1, dtype=np.int64)
    return distances


@dataclass(frozen=True)
class HashIndex:
    """Known hashes (m, 32), sorted by the values of each band, for many questions."""

    hashes: Hashes
    orders: tuple[Rows, ...]
    values: tuple[NDArray[np.uint16], ...]

    @classmethod
    def of(cls, hashes: Hashes) -> HashIndex:
        """Sort hashes by the values of each band."""
        orders = []
        sorted_values = []
        for band in range(BANDS):
            values = band_values(hashes, band)
            order = np.argsort(values, kind="stable")
            orders.append(order)
            sorted_values.append(values[order])
        return cls(hashes, tuple(orders), tuple(sorted_values))

    def near(self, asked: Hashes, most_bits: int = ALIKE) -> NearPairs:
        """Return (row of `asked`, row of the index) of every pair within `most_bits`.

        Pairs are sorted and come once.
        """
        flips = (0, *SINGLE_BITS) if most_of_band(most_bits) else (0,)
        asked_rows = [np.empty(0, np.int64)]
        known_rows = [np.empty(0, np.int64)]
        for band in range(BANDS):
            word = band // BANDS_PER_WORD
            asked_words = words_of(asked)[:, word]
            known_words = words_of(self.hashes)[:, word]
            values = band_values(asked, band)
            for flip in flips:
                left, right = self._of_value(values ^ np.uint16(flip), band)
                # First one word, because whole hashes take longer to compare.
                differing = asked_words[left] ^ known_words[right]
                near = np.bitwise_count(differing) <= most_bits // WORDS
                left, right = left[near], right[near]
                close = distances_of(asked[left], self.hashes[right]) <= most_bits
                asked_rows.append(left[close])
                known_rows.append(right[close])

        # Row numbers as one number for each pair, so that they are sorted and come once.
        number_known = max(1, len(self.hashes))
        left, right = np.concatenate(asked_rows), np.concatenate(known_rows)
        pairs = np.unique(left * number_known + right)
        left, right = np.divmod(pairs, number_known)
        return NearPairs(left, right)

    def _of_value(self, values: NDArray[np.uint16], band: int) -> tuple[Rows, Rows]:
        """(row of the question, row of the index) where the values of a band are equal."""
        begin = np.searchsorted(self.values[band], values, "left")
        end = np.searchsorted(self.values[band], values, "right")
        sizes = end - begin
        asked = np.repeat(np.arange(len(values)), sizes)
        # Counts 0, 1, 2 ... within each question.
        rows_before = np.cumsum(sizes) - sizes
        within = np.arange(len(asked)) - np.repeat(rows_before, sizes)
        places = np.repeat(begin, sizes) + within
        return asked, self.orders[band][places]

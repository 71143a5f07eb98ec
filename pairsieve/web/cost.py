"""Whether a page may be parsed on the spot, or only in a process that can be killed.

The HTML standard asks for work that grows with the square of a page, or faster: unclosed formatting
elements are opened again in every block that follows ("reconstruct the active formatting
elements"), a misnested end tag moves what stands between (the "adoption agency"), every end tag
looks through the stack of open elements, and each attribute is compared with those before it in its
tag. 62 kB of `<font a=N><p>` make eight million elements in 2.9 GB. What a page needs for any of
these can be counted, without parsing it.

The bounds are measured (`benchmarks/hostile.py`, class `page, on the spot`): what stays within all
of them takes less than a second and 500 MB, whatever it is. Of 2,055 pages of the real crawl 12 are
above one of them.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# what is linear takes up to 1 us a byte: captions of nothing but entities or combining marks
MAX_BYTES = 1_000_000
SMALL_BYTES = 8_000  # below, with few tags, no attack was found that takes more than 0.1 s
SMALL_TAGS = 300
MAX_TAGS = 8_000  # end tags and nested blocks look through the stack: 0.2 s
# formatting elements times tags: as many elements at most, each with MAX_FORMATTING_ATTRIBUTES
MAX_REOPENED = 250_000
# end tags of formatting elements than there are starts: each moves the blocks that it finds
MAX_MORE_ENDS = 200
MAX_FORMATTING_ATTRIBUTES = 8
# less holds too few attributes for their comparison to be felt: 16,000 take 0.6 s
UNCOUNTED_BYTES = 48_000
MAX_ATTRIBUTES = 16_000

# Bytes of encodings in which a tag need not look like one: in UTF-16 each ASCII letter has a NUL
# beside it, and ISO-2022-JP leaves its escapes out wherever they stand (Encoding Standard, 14.1 and
# 12.2).
HIDING = (b"\0", b"\x1b")

# HTML standard, "formatting" category. `a` is none here: one that is opened closes the one before
# it.
_FORMATTING = (
    "b",
    "big",
    "code",
    "em",
    "font",
    "i",
    "nobr",
    "s",
    "small",
    "strike",
    "strong",
    "tt",
    "u",
    "html",
    "body",
)
_NAME_ENDS = b" \t\n\f\r/>"
_ATTRIBUTE = rb"""[\s/]++[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>"'][^\s>]*+)?)?+"""
_MANY_ATTRIBUTES = re.compile(
    rb"<[A-Za-z]++(?:%b){%d}" % (_ATTRIBUTE, MAX_FORMATTING_ATTRIBUTES + 1)
)

Bytes = NDArray[np.uint8]


class PageTooCostly(ValueError):
    """A page with more elements than pages have that people wrote."""


@lru_cache(1)
def _openings() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether a formatting element may begin: by the first byte behind a `<`, and by the first two
    as one number.

    Some other elements are taken for one.
    `html` and `body` are among them: attributes of a second one are added to those of the first.
    """
    may = np.zeros((256, 256), np.bool_)
    for name in _FORMATTING:
        firsts = _both_cases(name[0])
        seconds = _both_cases(name[1]) if len(name) > 1 else _NAME_ENDS
        for first in firsts:
            may[first, list(seconds)] = True
    by_first = np.asarray(may.any(axis=1), np.bool_)
    return by_first, may.ravel()


def _both_cases(letter: str) -> bytes:
    return letter.lower().encode() + letter.upper().encode()


def is_costly(payload: bytes) -> bool:
    """Whether parsing a page could take more than a second or 500 MB.

    Takes some 50 us for 100 kB.
    """
    if len(payload) > MAX_BYTES or any(sign in payload for sign in HIDING):
        return True  # or it cannot be counted
    content = np.frombuffer(payload, np.uint8)
    tags = np.flatnonzero(content == ord("<"))
    if len(payload) <= SMALL_BYTES and len(tags) <= SMALL_TAGS:
        return False
    if len(tags) > MAX_TAGS:
        return True
    formatting, ends = _formatting(content, tags)
    return (
        len(formatting) * len(tags) > MAX_REOPENED
        or ends - len(formatting) > MAX_MORE_ENDS
        or any(_MANY_ATTRIBUTES.match(payload, at) for at in formatting.tolist())
        or (len(payload) > UNCOUNTED_BYTES and _most_attributes(content) > MAX_ATTRIBUTES)
    )


def _formatting(content: Bytes, tags: NDArray[np.intp]) -> tuple[NDArray[np.intp], int]:
    """Where formatting elements may begin, among the places where any tag begins; and how many end
    tags may be theirs.
    """
    by_first, by_both = _openings()
    tags = tags[: np.searchsorted(tags, len(content) - 3)]
    first = content[tags + 1]
    ends = tags[first == ord("/")] + 1
    starts = tags[by_first[first]]  # most fail here
    begins = by_both[_both_bytes(content, starts + 1)]
    may_end = by_both[_both_bytes(content, ends + 1)]
    return starts[begins], int(np.count_nonzero(may_end))


def _both_bytes(content: Bytes, places: NDArray[np.intp]) -> NDArray[np.intp]:
    """The byte at each place and the one behind it, as one number."""
    first = content[places].astype(np.intp)
    return first << 8 | content[places + 1]


def _most_attributes(content: Bytes) -> int:
    """At least as many attributes as any tag has: before each stand blanks, a slash, or the
    quotation mark of the one before.
    """
    blank = content <= ord(" ")
    # These bits are common to / " and ', and to # & * + . besides: one pass in place of three.
    marks = (content & 0xF2) == 0x22
    return int(np.count_nonzero(blank[:-1] > blank[1:]) + np.count_nonzero(marks))

"""Python's regular expressions, loosened for RE2, which reads whole columns at native speed.

A loosened pattern is found in every text in which the Python pattern is found, and in some more. So
it proves of most texts of a column that a detector can find nothing in them, and the detector reads
the others. It is made from the detector's own pattern, so that there is no second one to maintain.

What RE2 reads otherwise is loosened:

- what a pattern demands of the text around a place is left out, except which characters may stand
  directly before and behind the whole match, and what must stand behind all of it;
- a class with a character outside ASCII holds all characters outside ASCII;
- letters whose case is ignored are written out as Python compares them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

# Python has no public parser of its regular expressions; these two are in all of its versions.
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.batch import RowMask, truth

_ASCII = "".join(map(chr, range(128)))
_OUTSIDE_ASCII = r"\x{80}-\x{10ffff}"
# What Python takes for i, s and k where case is ignored: dotted I, dotless i, long s, Kelvin sign.
_LIKE_ASCII = "\u0130\u0131\u017f\u212a"
_NOTHING = "(?:)"
# RE2 refuses more; without an upper end a pattern is only looser.
_MOST_REPEATS = 1_000
_CHARACTER_FLAGS = re.IGNORECASE | re.ASCII | re.DOTALL
_CATEGORIES = {
    codes.CATEGORY_DIGIT: r"\d",
    codes.CATEGORY_NOT_DIGIT: r"\D",
    codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S",
    codes.CATEGORY_WORD: r"\w",
    codes.CATEGORY_NOT_WORD: r"\W",
}
_GROUPS = (codes.BRANCH, codes.SUBPATTERN, codes.ATOMIC_GROUP)
Patterns: TypeAlias = re.Pattern[str] | tuple[re.Pattern[str], ...]


class CannotLoosen(ValueError):
    """A pattern has a piece that is not known here."""


def rows_with(texts: pa.ChunkedArray, *patterns: Patterns, among: RowMask | None = None) -> RowMask:
    """All rows of a column of texts in which one of these patterns is found, and some others.

    Patterns in a tuple are looked for in one pass. Each short text takes as long for one as for
    some; but many in one tuple, or large ones, are a hundred times slower than each alone. Only
    rows of the mask `among` are looked at. Nothing is found in an empty cell. Raises CannotLoosen.
    """
    if among is not None:
        found = np.zeros(len(texts), np.bool_)
        rows = np.flatnonzero(among)
        found[rows] = rows_with(texts.take(pa.array(rows)), *patterns)
        return found
    found = np.zeros(len(texts), np.bool_)
    for pattern in patterns:
        at_once = pattern if isinstance(pattern, tuple) else (pattern,)
        found |= truth(pc.match_substring_regex(texts, "|".join(map(loosened, at_once))))
    return found


@lru_cache(256)
def loosened(pattern: re.Pattern[str]) -> str:
    """An RE2 pattern that is found in every text in which a Python pattern is found.

    Raises CannotLoosen.
    """
    items = list(parser.parse(pattern.pattern, pattern.flags))
    before = behind = ""
    if items and (border := _border(items[0], -1, pattern.flags)):
        before, items = f"(?:^|{border})", items[1:]
    if items and (border := _border(items[-1], 1, pattern.flags)):
        behind, items = f"(?:$|{border})", items[:-1]
    sequence = _sequence(items, pattern.flags, is_last=not behind)
    return f"(?s:{before}{sequence}{behind})"


def _border(item: tuple[Any, Any], direction: int, flags: int) -> str:
    """What an assertion lets stand before (-1) or behind (1) a match, as a class of characters.

    Empty where a piece of a pattern is not an assertion that forbids single characters.
    """
    code, argument = item
    if code is not codes.ASSERT_NOT or argument[0] != direction or len(argument[1]) != 1:
        return ""
    inner, characters = argument[1][0]
    if inner not in (codes.LITERAL, codes.IN):
        return ""
    forbidden = _matched(inner, characters, flags, _ASCII)
    allowed = [character for character in _ASCII if character not in forbidden]
    return _class(allowed, _OUTSIDE_ASCII)


def _sequence(items: Sequence[tuple[Any, Any]], flags: int, is_last: bool = False) -> str:
    """The RE2 pattern of pieces in a row. `is_last`: nothing of the pattern follows them."""
    if not items:
        return _NOTHING
    *others, (last, of_last) = items
    written = "".join(_piece(code, argument, flags) for code, argument in others)
    return written + (_last_piece if is_last else _piece)(last, of_last, flags)


def _piece(code: Any, argument: Any, flags: int) -> str:
    """The RE2 pattern of one piece of a parsed pattern."""
    if code in (codes.LITERAL, codes.NOT_LITERAL, codes.IN):
        return _characters(code, argument, flags)
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        least, most, items = argument
        return f"(?:{_sequence(items, flags)}){_times(least, most)}"
    if code in _GROUPS:
        return _group(code, argument, flags)
    loose = {codes.ANY: ".", codes.GROUPREF: ".*"}
    loose |= dict.fromkeys((codes.AT, codes.ASSERT, codes.ASSERT_NOT), _NOTHING)
    if code not in loose:
        raise CannotLoosen(f"a regular expression with {code} cannot be loosened")
    return loose[code]


def _last_piece(code: Any, argument: Any, flags: int) -> str:
    """The same where nothing follows: what must stand behind the match may be a part of it."""
    if code in _GROUPS:
        return _group(code, argument, flags, is_last=True)
    if code is codes.ASSERT and argument[0] == 1:
        return f"(?:{_sequence(argument[1], flags, is_last=True)})"
    if code is codes.AT and argument is codes.AT_END and not flags & re.MULTILINE:
        return r"\n?$"  # Python's end may be before a last line break
    return _piece(code, argument, flags)


def _group(code: Any, argument: Any, flags: int, is_last: bool = False) -> str:
    """A group: one sequence, or several of which one must match."""
    sequences, of_flags = [argument], flags
    if code is codes.BRANCH:
        sequences = argument[1]
    elif code is codes.SUBPATTERN:
        _, added, removed, items = argument
        sequences, of_flags = [items], (flags | added) & ~removed
    return "(?:" + "|".join(_sequence(items, of_flags, is_last) for items in sequences) + ")"


def _times(least: int, most: int) -> str:
    if most > _MOST_REPEATS:
        return f"{{{min(least, _MOST_REPEATS)},}}"
    return f"{{{least},{most}}}"


def _characters(code: Any, argument: Any, flags: int) -> str:
    """The class of all characters that one piece of a pattern matches, and perhaps others."""
    in_ascii = _matched(code, argument, flags, _ASCII)
    if code is codes.LITERAL and not flags & re.IGNORECASE:
        return _class(in_ascii, "" if argument < 128 else chr(argument))
    if code is codes.LITERAL and argument < 128:
        return _class(in_ascii, "".join(_matched(code, argument, flags, _LIKE_ASCII)))
    if code is codes.IN and (others := _others_in_full(argument, flags)) is not None:
        return _class(in_ascii, others)
    return _class(in_ascii, _OUTSIDE_ASCII if _may_leave_ascii(code, argument, flags) else "")


def _others_in_full(items: Sequence[tuple[Any, Any]], flags: int) -> str | None:
    """The members of a class outside ASCII where they can be listed: digits, and signs."""
    others = ""
    for code, argument in items:
        if code is codes.CATEGORY and argument is codes.CATEGORY_DIGIT:
            others += "" if flags & re.ASCII else _other_digits()
        elif code is codes.LITERAL and chr(argument).lower() == chr(argument).upper():
            others += "" if argument < 128 else chr(argument)
        elif not (_is_ascii(code, argument, flags) and not flags & re.IGNORECASE):
            return None
    return others


@lru_cache(1)
def _other_digits() -> str:
    """The digits outside ASCII by Python's rules, as members of a class."""
    digits = map(re.escape, re.findall(r"[^\W\D0-9]", "".join(map(chr, range(128, 0x110000)))))
    return "".join(digits)


def _may_leave_ascii(code: Any, argument: Any, flags: int) -> bool:
    """Whether a piece of a pattern may match a character outside ASCII."""
    if code is not codes.IN or (flags & re.IGNORECASE and not flags & re.ASCII):
        return True
    return not all(_is_ascii(inner, characters, flags) for inner, characters in argument)


def _is_ascii(code: Any, argument: Any, flags: int) -> bool:
    """Whether a member of a class has no characters outside ASCII."""
    if code is codes.LITERAL:
        return bool(argument < 128)
    if code is codes.RANGE:
        return bool(argument[1] < 128)
    small = (codes.CATEGORY_DIGIT, codes.CATEGORY_SPACE, codes.CATEGORY_WORD)
    return code is codes.CATEGORY and argument in small and bool(flags & re.ASCII)


def _matched(code: Any, argument: Any, flags: int, characters: str) -> list[str]:
    """Those of some characters that a piece of a pattern matches, as Python itself says."""
    if code is codes.IN:
        written = "[" + "".join(_member(inner, value) for inner, value in argument) + "]"
    else:
        escaped = re.escape(chr(argument))
        written = f"[^{escaped}]" if code is codes.NOT_LITERAL else escaped
    return re.findall(written, characters, re.RegexFlag(flags) & _CHARACTER_FLAGS)


def _member(code: Any, argument: Any) -> str:
    """A member of a class as Python writes it."""
    if code is codes.NEGATE:
        return "^"
    if code is codes.CATEGORY:
        return _CATEGORIES[argument]
    if code is codes.RANGE:
        first, last = argument
        return f"{re.escape(chr(first))}-{re.escape(chr(last))}"
    return re.escape(chr(argument))


def _class(characters: Iterable[str], others: str) -> str:
    """A class of ASCII characters and what else is written behind them; for nothing, no match."""
    members = "".join(rf"\x{ord(character):02x}" for character in characters) + others
    return f"[{members}]" if members else r"[^\x{0}-\x{10ffff}]"

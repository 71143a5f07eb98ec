"""Random texts of a regular expression's form, each choice with equal chance."""

from __future__ import annotations

import random
import string
from functools import lru_cache

# the parser of `re`; its module is private, its tree has not changed since Python 2
from re import _constants as c  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any


def random_text(form: str, chance: random.Random) -> str:
    """One text that the form matches as a whole."""
    return "".join(_draw(node, chance) for node in _parsed(form))


def scrambled(text: str, chance: random.Random) -> str:
    """The same text with another digit for each digit and another letter for each letter."""
    return "".join(_another(character, chance) for character in text)


def _another(character: str, chance: random.Random) -> str:
    if character in string.digits:
        return chance.choice(string.digits)
    if character in string.ascii_letters:
        return chance.choice(string.ascii_uppercase)
    return character


@lru_cache(None)
def _parsed(form: str) -> list[tuple[Any, Any]]:
    return list(parser.parse(form))


def _draw(node: tuple[Any, Any], chance: random.Random) -> str:
    kind, value = node
    if kind is c.LITERAL:
        return chr(value)
    if kind is c.IN:
        return chr(chance.choice(_characters(value)))
    if kind is c.MAX_REPEAT:
        least, most, below = value
        number = chance.randint(least, most)
        return "".join(_draw(inner, chance) for _ in range(number) for inner in below)
    if kind is c.SUBPATTERN:
        return "".join(_draw(inner, chance) for inner in value[3])
    if kind is c.BRANCH:
        return "".join(_draw(inner, chance) for inner in chance.choice(value[1]))
    raise AssertionError(f"no random text for {kind}")


def _characters(members: list[tuple[Any, Any]]) -> list[int]:
    found: list[int] = []
    for kind, value in members:
        if kind is c.LITERAL:
            found.append(value)
        elif kind is c.RANGE:
            found += range(value[0], value[1] + 1)
        elif kind is c.CATEGORY:
            assert value is c.CATEGORY_DIGIT, value
            found += range(ord("0"), ord("9") + 1)
    return found


def marks(text: str) -> int:
    """Signs between the parts of a number: separators, and changes between digits and letters."""
    kinds = [_kind(character) for character in text]
    changes = sum(
        {one, other} == {"digit", "letter"} for one, other in zip(kinds, kinds[1:], strict=False)
    )
    return changes + kinds.count("separator")


def _kind(character: str) -> str:
    if character.isdigit():
        return "digit"
    return "letter" if character.isalpha() else "separator"

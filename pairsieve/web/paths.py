"""Paths in rules of robots.txt, tdmrep.json and their kin: one comparison for all of them (RFC
9309, 2.2.2 and 2.2.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

_PLAIN = re.compile(r"[A-Za-z0-9/._~-]*")
_ESCAPE_OR_LETTER = re.compile(r"%[0-9A-Fa-f]{2}|.", re.DOTALL)
_ORIGIN = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
# Escapes of these stay escapes: undone, they would end a path, a query or an escape, or be a
# wildcard.
_KEPT_IN_PATH, _KEPT_IN_QUERY = "/?#%*$", "#%*$"

Said = TypeVar("Said")


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A pattern: `*` is any characters, `$` at the end is the end, else a prefix.

    `pieces` stand between its wildcards, in the comparable form; `length` is what the longest match
    is measured by.
    """

    pieces: tuple[str, ...]
    ends: bool
    length: int

    def matches(self, target: str) -> bool:
        """Whether a comparable path with its query fits.

        Linear: each piece is taken where it stands first.
        """
        if not target.startswith(self.pieces[0]):
            return False
        at = len(self.pieces[0])
        if len(self.pieces) == 1:
            return not self.ends or at == len(target)
        for piece in self.pieces[1:-1]:
            at = target.find(piece, at)
            if at < 0:
                return False
            at += len(piece)
        last = self.pieces[-1]
        if self.ends:
            return len(target) - len(last) >= at and target.endswith(last)
        return target.find(last, at) >= 0


def path_pattern(text: str) -> PathPattern:
    """The pattern that a rule names.

    A missing first slash is put there; of a whole URL the path counts.
    """
    text = _ORIGIN.sub("", text, count=1)
    if not text.startswith(("/", "*")):
        text = "/" + text
    ends = text.endswith("$")
    comparable = _comparable(text.removesuffix("$"), wildcards=True)
    return PathPattern(tuple(comparable.split("*")), ends, len(comparable) + ends)


def comparable_target(url: str) -> str:
    """The path and query of a URL in the one form in which two spellings of them are equal.

    Characters outside of ASCII are escaped, escapes of printable ones are undone; `/` and `%2F`
    differ in a path.
    """
    target = _ORIGIN.sub("", url, count=1).partition("#")[0]
    return _comparable(target if target.startswith("/") else "/" + target, wildcards=False)


def most_specific(rules: Iterable[tuple[PathPattern, Said]], target: str) -> list[Said]:
    """What the longest of the patterns that fit say; several where they are equally long, none
    where none fits.
    """
    return [said for _, said in longest_fitting(rules, target)]


def longest_fitting(
    rules: Iterable[tuple[PathPattern, Said]], target: str
) -> list[tuple[PathPattern, Said]]:
    """The rules whose patterns fit and are longest; of those that say the same one."""
    fitting = [(pattern, said) for pattern, said in rules if pattern.matches(target)]
    longest = max((pattern.length for pattern, _ in fitting), default=0)
    return list(
        {said: (pattern, said) for pattern, said in fitting if pattern.length == longest}.values()
    )


def _comparable(target: str, wildcards: bool) -> str:
    if _PLAIN.fullmatch(target):
        return target
    path, mark, query = target.partition("?")
    return (
        _normal(path, _KEPT_IN_PATH, wildcards) + mark + _normal(query, _KEPT_IN_QUERY, wildcards)
    )


def _normal(text: str, kept: str, wildcards: bool) -> str:
    def normal(found: re.Match[str]) -> str:
        said = found[0]
        if len(said) == 1:
            is_literal = "!" <= said <= "~" and (said not in "*$" or (wildcards and said == "*"))
            return (
                said
                if is_literal
                else "".join(f"%{byte:02X}" for byte in said.encode("utf-8", "surrogatepass"))
            )
        character = chr(int(said[1:], 16))
        return character if "!" <= character <= "~" and character not in kept else said.upper()

    return _ESCAPE_OR_LETTER.sub(normal, text)

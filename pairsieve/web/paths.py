"""Compares URLs with the paths in rules of robots.txt, tdmrep.json and similar files.

All of them use the comparison of robots.txt (RFC 9309, 2.2.2 and 2.2.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

_PLAIN = re.compile(r"[A-Za-z0-9/._~-]*")
_ESCAPE_OR_CHARACTER = re.compile(r"%[0-9A-Fa-f]{2}|.", re.DOTALL)
_ORIGIN = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")
_PLAIN_AUTHORITY = re.compile(r"((?:[a-z0-9_-]+\.)+[a-z0-9-]+)(?::[0-9]*)?")
# Escapes of these characters stay escapes. Without the escape they would end a path, a query or an
# escape, or be a wildcard.
_KEPT_IN_PATH = "/?#%*$"
_KEPT_IN_QUERY = "#%*$"

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A pattern: `*` stands for any characters, `$` at the end for the end of the URL.

    Without `$` it matches prefixes. `pieces` are the parts between the wildcards, in the comparable
    form. `ends` says that the pattern has a `$`. `length` decides which match is the longest.
    `authority` is what stands before the path in a pattern that is a whole URL; it does not count
    in `matches`.
    """

    pieces: tuple[str, ...]
    ends: bool
    length: int
    authority: str = ""

    def is_about(self, host: str) -> bool | None:
        """Tell whether the pattern is about a host; None where that is not clear.

        A whole URL of another host is not; `www.` makes no other host of it. Anything but a plain
        host before the path is unclear.
        """
        if not self.authority:
            return True
        named = _PLAIN_AUTHORITY.fullmatch(self.authority)
        return is_same_host(named[1], host) if named else None

    def matches(self, target: str) -> bool:
        """Tell whether the pattern matches a comparable path and query.

        Takes linear time: each piece is matched at its first position, which is never worse than a
        later one.
        """
        first = self.pieces[0]
        if not target.startswith(first):
            return False
        at = len(first)
        # Without a wildcard, `pieces` has one element.
        if len(self.pieces) == 1:
            return not self.ends or at == len(target)
        for piece in self.pieces[1:-1]:
            at = target.find(piece, at)
            if at < 0:
                return False
            at += len(piece)
        last = self.pieces[-1]
        if self.ends:
            # The last piece must stand at the end, and not overlap the pieces before it.
            return len(target) - len(last) >= at and target.endswith(last)
        return target.find(last, at) >= 0


def is_same_host(named: str, host: str) -> bool:
    """Tell whether a host is the one that a rule names.

    A `*` in the rule stands for any characters. Neither `www.` nor a dot at the end (RFC 1034, 3.1)
    makes another host of it.
    """
    return fnmatchcase(_bare_host(host), _bare_host(named))


def _bare_host(host: str) -> str:
    return host.removeprefix("www.").rstrip(".")


def path_pattern(text: str) -> PathPattern:
    """Read the pattern of a rule.

    A missing slash at the start is added. Of a whole URL only the path and the query count.
    """
    origin = _ORIGIN.match(text)
    authority = origin[1].lower() if origin else ""
    if origin:
        text = text[origin.end() :]
    if not text.startswith(("/", "*")):
        text = "/" + text
    ends = text.endswith("$")
    comparable = _comparable(text.removesuffix("$"), wildcards=True)
    return PathPattern(tuple(comparable.split("*")), ends, len(comparable) + ends, authority)


def comparable_target(url: str) -> str:
    """Return the path and query of a URL in a form in which two spellings of them are equal.

    Characters outside of ASCII are escaped, and escapes of printable characters are undone. In a
    path `/` and `%2F` stay different.
    """
    target = _ORIGIN.sub("", url, count=1).partition("#")[0]
    if not target.startswith("/"):
        target = "/" + target
    return _comparable(target, wildcards=False)


def most_specific(rules: Iterable[tuple[PathPattern, Value]], target: str) -> list[Value]:
    """Return the values of the longest patterns that match.

    There are several where patterns are equally long, and none where none matches.
    """
    return [value for _, value in longest_fitting(rules, target)]


def longest_fitting(
    rules: Iterable[tuple[PathPattern, Value]], target: str
) -> list[tuple[PathPattern, Value]]:
    """Return the rules with the longest patterns that match, one rule for each value."""
    fitting = [(pattern, value) for pattern, value in rules if pattern.matches(target)]
    longest = max((pattern.length for pattern, _ in fitting), default=0)
    by_value = {}
    for pattern, value in fitting:
        if pattern.length == longest:
            by_value[value] = (pattern, value)
    return list(by_value.values())


def _comparable(target: str, wildcards: bool) -> str:
    """Return the comparable form; with `wildcards`, a `*` stays what it is."""
    # Most targets need no change.
    if _PLAIN.fullmatch(target):
        return target
    path, mark, query = target.partition("?")
    comparable_path = _normalised(path, _KEPT_IN_PATH, wildcards)
    comparable_query = _normalised(query, _KEPT_IN_QUERY, wildcards)
    return comparable_path + mark + comparable_query


def _normalised(text: str, kept: str, wildcards: bool) -> str:
    """Escape what must be escaped, and undo all escapes but those of the `kept` characters."""

    def normalise(match: re.Match[str]) -> str:
        matched = match[0]
        if len(matched) == 1:
            is_wildcard_character = matched in "*$"
            if _is_printable(matched) and not is_wildcard_character:
                return matched
            if wildcards and matched == "*":
                return matched
            return _escaped(matched)
        character = chr(int(matched[1:], 16))
        if _is_printable(character) and character not in kept:
            return character
        return matched.upper()

    return _ESCAPE_OR_CHARACTER.sub(normalise, text)


def _is_printable(character: str) -> bool:
    """Tell whether a character is printable ASCII, without the blank."""
    return "!" <= character <= "~"


def _escaped(character: str) -> str:
    # Half a surrogate pair is no character, but it may stand in the text of a page.
    octets = character.encode("utf-8", "surrogatepass")
    return "".join(f"%{octet:02X}" for octet in octets)

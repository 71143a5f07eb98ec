"""Reads small files at fixed places in which a site reserves rights, beside robots.txt.

    /.well-known/tdmrep.json   an array of objects with `location` (a path, `*`, `$`) and
                               `tdm-reservation` (1: reserved); TDM Reservation Protocol, W3C
                               community group, CG-FINAL-tdmrep-20240510
    /ai.txt                    as robots.txt, extensions as `*.jpg` (Spawning, May 2023);
                               or `Training: deny` (draft-car-ai-txt-wellknown-00, June 2026)
    /trust.txt                 `datatrainingallowed=no` (JournalList, April 2024); also under
                               /.well-known/

Many sites answer a request for any file with an HTML page, or with an error under the status 200.
An HTML page is treated as if there were no file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pairsieve.web.media_type import HTML_TYPES, media_type
from pairsieve.web.paths import PathPattern, comparable_target, most_specific, path_pattern
from pairsieve.web.robots import Robots, robots_lines

TDMREP = ".well-known/tdmrep.json"
AI_TXT = "ai.txt"
TRUST_TXT = "trust.txt"
TRUST_TXT_WELL_KNOWN = ".well-known/trust.txt"
SITE_FILE_MAX_BYTES = 512 * 1024
_JSON_TYPES = ("application/json", "text/json")
_TRAINING_FIELDS = ("training", "allow-training", "ai-training")
_ALLOWED = ("allow", "allowed", "yes", "y", "true")
_TDM_RESERVED, _TDM_NOT_RESERVED = ("1", "1.0", "True"), ("0", "0.0", "False")


def usable_text(name: str, text: str, content_type: str) -> str:
    """Return the text of a file as served; empty where it is an HTML page or not of its kind."""
    kind = media_type(content_type).essence
    first_character = text.lstrip()[:1]
    if name == TDMREP:
        # What looks like JSON is read even if its type is wrong, and so is broken JSON: a file
        # that was meant as a reservation counts.
        has_json_type = kind in _JSON_TYPES or kind.endswith("+json")
        is_json = has_json_type or first_character in ("[", "{")
        return text if is_json else ""
    is_page = kind in HTML_TYPES or first_character == "<"
    return "" if is_page else text


@dataclass(frozen=True)
class TdmRep:
    """A tdmrep.json.

    Everything is reserved where the file cannot be read, and by an entry without a location.
    """

    text: str

    @cached_property
    def _entries(self) -> tuple[tuple[PathPattern, bool], ...]:
        return tuple(_tdm_entries(self.text)) if self.text else ()

    def reserves(self, url: str) -> bool:
        """Tell whether a URL is reserved.

        The specification takes the first entry that matches and calls it the most specific. It
        refers to the matching of robots.txt, which takes the longest. Where the two differ, the one
        that reserves counts.
        """
        # Most sites have no such file.
        if not self._entries:
            return False
        target = comparable_target(url)
        fitting = [
            (pattern, reserved) for pattern, reserved in self._entries if pattern.matches(target)
        ]
        if not fitting:
            return False
        _, first_reserves = fitting[0]
        return first_reserves or any(most_specific(fitting, target))


def _tdm_entries(text: str) -> Iterator[tuple[PathPattern, bool]]:
    """Yield (path, reserved) of each entry."""
    try:
        entries: Any = json.loads(text)
    except (ValueError, RecursionError):
        entries = None
    # Anything but an array counts as one entry without a location.
    if not isinstance(entries, list):
        entries = [None]
    for entry in entries:
        fields: dict[str, Any] = entry if isinstance(entry, dict) else {}
        location = fields.get("location")
        reservation = str(fields.get("tdm-reservation"))
        if not isinstance(location, str) or not location.strip():
            yield path_pattern("/"), True
        elif reservation in _TDM_RESERVED:
            yield path_pattern(location.strip()), True
        elif reservation in _TDM_NOT_RESERVED:
            yield path_pattern(location.strip()), False
        # Other values count as if the entry were not there.


@dataclass(frozen=True)
class AiTxt:
    """An ai.txt in either of its two grammars; `ai_agents` as in Robots."""

    text: str
    ai_agents: bool

    @cached_property
    def _denies_everything(self) -> bool:
        """Whether a line such as `Training: deny` refuses training with the whole site."""
        for name, value in robots_lines(self.text):
            if name in _TRAINING_FIELDS and value.lower() not in _ALLOWED:
                return True
        return False

    @cached_property
    def _rules(self) -> Robots:
        names_agents = any(name == "user-agent" for name, _ in robots_lines(self.text))
        # Without agents the rules apply to everybody; robots.txt would ignore them.
        text = self.text if names_agents else f"User-agent: *\n{self.text}"
        return Robots(text, self.ai_agents)

    @cached_property
    def _lowered_rules(self) -> Robots:
        """The rules in lower case, for a URL in lower case."""
        return Robots(self._rules.text.lower(), self.ai_agents)

    def refuses(self, url: str) -> bool:
        """Tell whether training with a URL is refused.

        Spawning's rules name types of files, as `*.jpg`, so that `CAT.JPG` is refused as well, and
        by `*.JPG` `cat.jpg`.
        """
        if self._denies_everything or self._rules.refusal(url) is not None:
            return True
        return self._lowered_rules.refusal(url.lower()) is not None


def trust_refuses(text: str) -> bool:
    """Tell whether a trust.txt refuses training, which it does for the whole site.

    An answer that is neither yes nor no is a no.
    """
    for line in text.splitlines():
        # A "#" begins a comment.
        name, _, value = line.partition("#")[0].partition("=")
        is_about_training = name.strip().lower() == "datatrainingallowed"
        if is_about_training and value.strip().lower() not in ("yes", "y"):
            return True
    return False

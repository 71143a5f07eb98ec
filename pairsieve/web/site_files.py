"""Small files at fixed places by which a site says what may be done with it, beside robots.txt.

    /.well-known/tdmrep.json   an array of objects with `location` (a path, `*`, `$`) and
                               `tdm-reservation` (1: reserved); TDM Reservation Protocol, W3C
                               community group, CG-FINAL-tdmrep-20240510
    /ai.txt                    as robots.txt, extensions as `*.jpg` (Spawning, May 2023);
                               or `Training: deny` (draft-car-ai-txt-wellknown-00, June 2026)
    /trust.txt                 `datatrainingallowed=no` (JournalList, April 2024); also under
                               /.well-known/

Many sites answer a request for any file with a page, or with the status 200 and an error: what is a
page says nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pairsieve.web.fields import media_type
from pairsieve.web.paths import PathPattern, comparable_target, most_specific, path_pattern
from pairsieve.web.robots import Robots, robots_lines

TDMREP, AI_TXT, TRUST_TXT, TRUST_TXT_WELL_KNOWN = (
    ".well-known/tdmrep.json",
    "ai.txt",
    "trust.txt",
    ".well-known/trust.txt",
)
SITE_FILE_MAX_BYTES = 512 * 1024
_PAGE_TYPES = ("text/html", "application/xhtml+xml")
_JSON_TYPES = ("application/json", "text/json")
_TRAINING_FIELDS = ("training", "allow-training", "ai-training")
_ALLOWED = ("allow", "allowed", "yes", "y", "true")


def said_by_file(name: str, text: str, content_type: str) -> str:
    """What a file that was served says: its text, or nothing where it is a page or no file of its
    kind.
    """
    kind, begins = media_type(content_type), text.lstrip()[:1]
    if name == TDMREP:
        is_meant_as_json = kind in _JSON_TYPES or kind.endswith("+json") or begins in ("[", "{")
        return text if is_meant_as_json else ""
    return "" if kind in _PAGE_TYPES or begins == "<" else text


@dataclass(frozen=True)
class TdmRep:
    """A tdmrep.json.

    Where it cannot be read, and for an entry without a location, everything is reserved.
    """

    text: str

    @cached_property
    def _entries(self) -> tuple[tuple[PathPattern, bool], ...]:
        return tuple(_tdm_entries(self.text)) if self.text else ()

    def reserves(self, url: str) -> bool:
        """Whether a URL is reserved.

        The report takes the first entry that fits and calls it the most specific; robots.txt, to
        whose matching it refers, takes the longest. Where the two differ the one that reserves
        counts.
        """
        if not self._entries:  # as of most sites
            return False
        target = comparable_target(url)
        fitting = [
            (pattern, reserved) for pattern, reserved in self._entries if pattern.matches(target)
        ]
        return any(reserved for _, reserved in fitting[:1]) or any(most_specific(fitting, target))


def _tdm_entries(text: str) -> Iterator[tuple[PathPattern, bool]]:
    everything = path_pattern("/")
    try:
        listed: Any = json.loads(text)
    except (ValueError, RecursionError):
        listed = None
    for listed_entry in listed if isinstance(listed, list) else [None]:
        entry: dict[str, Any] = listed_entry if isinstance(listed_entry, dict) else {}
        location, answer = entry.get("location"), str(entry.get("tdm-reservation"))
        if not isinstance(location, str) or not location.strip():
            yield everything, True
        elif answer in ("0", "1", "True", "False"):  # other values count as unset
            yield path_pattern(location.strip()), answer in ("1", "True")


@dataclass(frozen=True)
class AiTxt:
    """An ai.txt, in either of its two grammars."""

    text: str
    ai_agents: bool

    @cached_property
    def _denies_everything(self) -> bool:
        answers = [
            value.lower() for name, value in robots_lines(self.text) if name in _TRAINING_FIELDS
        ]
        return any(answer not in _ALLOWED for answer in answers)

    @cached_property
    def _rules(self) -> Robots:
        names_agents = any(name == "user-agent" for name, _ in robots_lines(self.text))
        return Robots(self.text if names_agents else f"User-agent: *\n{self.text}", self.ai_agents)

    def refuses(self, url: str) -> bool:
        """Whether training with a URL is refused."""
        return self._denies_everything or self._rules.refusal(url) is not None


def trust_refuses(text: str) -> bool:
    """Whether a trust.txt refuses training, for the whole site; an answer that is neither yes nor
    no is a no.
    """
    pairs = (line.partition("#")[0].partition("=") for line in text.splitlines())
    return any(
        name.strip().lower() == "datatrainingallowed" and value.strip().lower() not in ("yes", "y")
        for name, _, value in pairs
    )

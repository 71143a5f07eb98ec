"""What the publisher reserves: opt-outs on the page and on the image's answer.

Sources: robots meta tag and X-Robots-Tag (`noai`, `noimageai` as DeviantArt introduced them), TDM Reservation Protocol
(W3C community group report: header < meta; values other than 0 and 1 count as unset), Content-Usage (IETF AIPREF drafts:
`train-ai=n`; the most restrictive of several wins). A Content-Usage that cannot be read counts as a no. What robots.txt says
is asked before the request (web/robots.py), what a file says in XMP is in filters/picture_metadata.py, C2PA in filters/c2pa.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa

from filters.c2pa import C2PA_NOT_ALLOWED, C2PA_UNREADABLE
from filters.detector import Columns, Needs, Observe
from filters.picture_metadata import DATA_MINING_PROHIBITED
from filters.rule import Action, Decision, Readable
from filters.subjects import Response
from records.licence import is_among, licence_kind
from records.page import Headers, header
from records.pair import Evidence
from records.row import RIGHTS_SOURCES
from web.agents import AI_AGENTS
from web.html import ParsedPage, meta_values

ROBOTS_META_NAMES = ("robots", *AI_AGENTS)
ROBOTS_TOKENS = ("noai", "noimageai", "noindex", "noimageindex", "none")
TDM_RESERVED = "tdm_reserved"
NO_AI_TRAINING = "content_usage_no_ai"
UNREADABLE_USAGE = "content_usage_unreadable"
NO_TO_AI = ("noai", "noimageai", TDM_RESERVED, NO_AI_TRAINING, UNREADABLE_USAGE, DATA_MINING_PROHIBITED, C2PA_NOT_ALLOWED, C2PA_UNREADABLE)
NO_TO_INDEXES = ("noindex", "noimageindex", "none")
AI_CATEGORIES = ("train-ai", "train-genai", "ai", "genai")
_AGENT_SCOPE = re.compile(r"^\s*[\w.-]+\s*:(?!\s*//)")


def robots_signals(values: Iterable[str]) -> Iterator[str]:
    """The opt-out tokens in robots directives, whatever their case, order or agent scope (any agent's no counts)."""
    for value in values:
        words = re.split(r"[,;\s]+", _AGENT_SCOPE.sub("", value).lower())
        yield from (word for word in words if word in ROBOTS_TOKENS)


def header_signals(headers: Headers) -> set[str]:
    """The opt-outs that HTTP headers carry; a header that stands several times counts each time."""
    values = [value for name, value in headers if name.lower() == "x-robots-tag"]
    signals = set(robots_signals(part for value in values for part in value.split(",")))
    if header(headers, "tdm-reservation").strip() == "1":
        signals.add(TDM_RESERVED)
    signals.update(signal for name, value in headers if name.lower() == "content-usage" for signal in usage_signals(value))
    return signals


def usage_signals(content_usage: str) -> Iterator[str]:
    """A no to a category of AI training, whatever its case and spacing; and what cannot be read."""
    preferences = [part.partition("=") for part in re.split(r"[,;]", content_usage.lower()) if part.strip()]
    for name, equals, value in preferences:
        answer = value.strip().strip('"')
        if not equals or (name.strip() in AI_CATEGORIES and answer not in ("y", "n")):
            yield UNREADABLE_USAGE
        elif name.strip() in AI_CATEGORIES and answer == "n":
            yield NO_AI_TRAINING


def page_signals(page: ParsedPage) -> set[str]:
    """The opt-outs of a page: headers and meta elements; a valid TDM meta element has the last word over the header."""
    meta = set(robots_signals(content for _, content in meta_values(page, *ROBOTS_META_NAMES)))
    signals = header_signals(page.headers) | meta
    for _, content in meta_values(page, "tdm-reservation"):
        if content == "1":
            signals.add(TDM_RESERVED)
        elif content == "0":
            signals.discard(TDM_RESERVED)
    return signals


@dataclass(frozen=True)
class PageRights:
    """Opt-out signals of the page on which the image stands."""

    name: ClassVar[str] = "page_rights"
    version: ClassVar[int] = 4
    needs: ClassVar[Needs] = Needs.PAGE
    columns: ClassVar[Columns] = {"page_rights_signals": pa.list_(pa.string())}

    def load(self) -> Observe:
        def observe(page: ParsedPage) -> Evidence:
            return {"page_rights_signals": tuple(sorted(page_signals(page)))}

        return observe


@dataclass(frozen=True)
class ResponseRights:
    """Opt-out signals of the answer that carried the image."""

    name: ClassVar[str] = "response_rights"
    version: ClassVar[int] = 3
    needs: ClassVar[Needs] = Needs.RESPONSE
    columns: ClassVar[Columns] = {"response_rights_signals": pa.list_(pa.string())}

    def load(self) -> Observe:
        def observe(response: Response) -> Evidence:
            return {"response_rights_signals": tuple(sorted(header_signals(response.headers)))}

        return observe


@dataclass(frozen=True)
class Rights:
    """Drop what its publisher has reserved, wherever that is said; the most restrictive of all signals wins. Profiles:

    respect  an explicit no to AI training or to text and data mining drops, and so does one that cannot be read
    strict   a no to indexes (noindex, noimageindex, none) drops too, and only licences of `allow_licences` are taken
    record   nothing is dropped, everything is tagged

    `refuse` adds signals of one's own detectors. `allow_licences`: kinds as `cc-by` or `cc-by-4.0`; given, anything else is dropped.
    `unknown_page` decides on pairs whose page was never seen, as those of a dataset of links: nobody knows what it said.
    """

    name: ClassVar[str] = "rights"
    version: ClassVar[int] = 4
    reads: ClassVar[tuple[str, ...]] = ("page_rights_signals", "response_rights_signals", "picture_rights_signals")
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP, Action.TAG)
    saves_request: ClassVar[bool] = True

    profile: Literal["respect", "strict", "record"]
    refuse: tuple[str, ...] = ()
    allow_licences: tuple[str, ...] = ()
    unknown_page: Literal["drop", "keep"] = "drop"

    def __post_init__(self) -> None:
        if self.profile == "strict" and not self.allow_licences:
            raise ValueError("strict takes only known licences: set allow_licences, as [cc0, cc-by, public-domain]")

    @property
    def refused(self) -> frozenset[str]:
        """The signals that are a no."""
        return frozenset((*NO_TO_AI, *self.refuse, *(NO_TO_INDEXES if self.profile == "strict" else ())))

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        """One decision for each signal; before the fetch there is no response and no picture yet to read."""
        action = Action.TAG if self.profile == "record" else Action.DROP
        page = evidence["page_rights_signals"]
        if page is None and self.unknown_page == "drop":
            yield Decision(action, "rights_unknown_page")
        said = {signal for source in RIGHTS_SOURCES for signal in evidence.get(f"{source}_rights_signals") or ()}
        for signal in sorted(said & self.refused):
            yield Decision(action, f"rights_{signal}")
        if self.allow_licences and self._is_licence_known(evidence):
            url = evidence.get("licence") or evidence.get("picture_licence")
            if not is_among(licence_kind(url), self.allow_licences):
                yield Decision(action, "rights_licence_not_allowed")

    @staticmethod
    def _is_licence_known(evidence: Readable) -> bool:
        """A picture may name its licence itself: where the page names none, it has to be looked at first."""
        return bool(evidence.get("licence")) or "picture_licence" in evidence

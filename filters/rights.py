"""What the publisher reserves: opt-outs on the page and on the image's answer.

Sources: robots meta tag and X-Robots-Tag (`noai`, `noimageai` as DeviantArt introduced them), TDM Reservation Protocol
(W3C community group report: header < meta; values other than 0 and 1 count as unset), Content-Usage (IETF AIPREF drafts:
`train-ai=n`; the most restrictive of several wins).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from filters.rule import Action, Decision, Readable
from filters.subjects import Response
from records.page import Headers, header
from records.pair import Evidence
from web.agents import AI_AGENTS
from web.html import ParsedPage, meta_values

ROBOTS_META_NAMES = ("robots", *AI_AGENTS)
ROBOTS_TOKENS = ("noai", "noimageai", "noindex", "noimageindex", "none")
TDM_RESERVED = "tdm_reserved"
NO_AI_TRAINING = "content_usage_no_ai"
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
    if any(_forbids_training(value) for name, value in headers if name.lower() == "content-usage"):
        signals.add(NO_AI_TRAINING)
    return signals


def _forbids_training(content_usage: str) -> bool:
    """Whether a Content-Usage header says n to a category of AI training, whatever its case and spacing."""
    preferences = (part.partition("=") for part in re.split(r"[,;]", content_usage.lower()))
    return any(name.strip() in AI_CATEGORIES and value.strip().strip('"') == "n" for name, _, value in preferences)


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
    version: ClassVar[int] = 3
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
    version: ClassVar[int] = 2
    needs: ClassVar[Needs] = Needs.RESPONSE
    columns: ClassVar[Columns] = {"response_rights_signals": pa.list_(pa.string())}

    def load(self) -> Observe:
        def observe(response: Response) -> Evidence:
            return {"response_rights_signals": tuple(sorted(header_signals(response.headers)))}

        return observe


@dataclass(frozen=True)
class Rights:
    """Drop what its publisher has reserved. `refuse` lists the signals that count as a no to training.

    `unknown_page` decides on pairs whose page was never seen, as those of a dataset of links: nobody knows what it said.
    """

    name: ClassVar[str] = "rights"
    version: ClassVar[int] = 3
    reads: ClassVar[tuple[str, ...]] = ("page_rights_signals", "response_rights_signals", "picture_rights_signals")
    saves_request: ClassVar[bool] = True

    refuse: tuple[str, ...]
    unknown_page: Literal["drop", "keep"] = "drop"

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        """One decision for each signal; before the fetch there is no response and no picture yet to read."""
        page = evidence["page_rights_signals"]
        fetched = [*(evidence.get("response_rights_signals") or ()), *(evidence.get("picture_rights_signals") or ())]
        if page is None and self.unknown_page == "drop":
            yield Decision(Action.DROP, "rights_unknown_page")
        for signal in sorted({*(page or ()), *fetched} & set(self.refuse)):
            yield Decision(Action.DROP, f"rights_{signal}")

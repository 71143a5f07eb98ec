"""Detect reservations (a publisher's no) on pages and in image responses, and the rule on them.

pairsieve/web/reservations.py lists every signal. Other modules read reservations elsewhere:
pairsieve/web/sites.py in robots.txt and other files of a site, before the request;
filters/rights/picture_metadata.py in XMP; filters/rights/c2pa.py in Content Credentials.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa

from filters.batch import RowMask, SampleColumns, has_entries, is_there
from filters.detector import Columns, Needs, Observe
from filters.rule import Action, Decision, Readable
from filters.subjects import Response
from pairsieve.records.decision_columns import RIGHTS_SOURCES
from pairsieve.records.licence import is_among, licence_kind
from pairsieve.records.pair import Evidence
from pairsieve.records.privacy import Public
from pairsieve.web.html import ParsedPage, meta_values
from pairsieve.web.reservations import header_signals, meta_signals, names_of
from pairsieve.web.rsl import (
    RSL_RESERVED,
    RSL_TYPE,
    RSL_UNREADABLE,
    UnreadableLicence,
    is_rsl_type,
    linked_licences,
    read_licence,
)
from pairsieve.web.urls import absolute, without_credentials


def page_signals(page: ParsedPage) -> set[str]:
    """The reservations of a page: in its headers, its meta elements and its embedded licences."""
    signals = meta_signals(meta_values(page), header_signals(page.headers))
    return signals | set(_embedded_licence_signals(page))


def _embedded_licence_signals(page: ParsedPage) -> Iterator[str]:
    """The reservations in RSL licences that stand in script elements of the page."""
    for node in page.elements["script"]:
        if not is_rsl_type(node.attributes.get("type")):
            continue
        try:
            licence = read_licence(node.text(), page.url)
        except UnreadableLicence:
            yield RSL_UNREADABLE
        else:
            if licence.refuses_anything:
                yield RSL_RESERVED


def licence_files(page: ParsedPage) -> Iterator[str]:
    """The URLs of the RSL licence files that a page names.

    The fetch stage reads them before it requests the page's pictures.
    """
    link_headers = [value for name, value in page.headers if name.lower() == "link"]
    for url in linked_licences(link_headers, page.url):
        yield without_credentials(url)
    for node in page.elements["link"]:
        attributes = node.attributes
        relations = (attributes.get("rel") or "").lower().split()
        if "license" in relations and is_rsl_type(attributes.get("type")):
            target = absolute(page.base, attributes.get("href") or "")
            # RSL_TYPE is not a URL, so the file counts as unreadable
            yield without_credentials(target or RSL_TYPE)


@dataclass(frozen=True)
class PageRights:
    """Reservations of the page that the image is on, and the licence files (RSL) that it names."""

    name: ClassVar[str] = "page_rights"
    version: ClassVar[int] = 6
    needs: ClassVar[Needs] = Needs.PAGE
    columns: ClassVar[Columns] = {
        "page_rights_signals": pa.list_(pa.string()),
        "page_licence_files": pa.list_(pa.string()),
    }

    def load(self) -> Observe:
        def observe(page: ParsedPage) -> Evidence:
            return {
                "page_rights_signals": tuple(sorted(page_signals(page))),
                "page_licence_files": tuple(sorted(set(licence_files(page)))),
            }

        return observe


@dataclass(frozen=True)
class ResponseRights:
    """Reservations in the HTTP response that carried the image."""

    name: ClassVar[str] = "response_rights"
    version: ClassVar[int] = 5
    needs: ClassVar[Needs] = Needs.RESPONSE
    columns: ClassVar[Columns] = {"response_rights_signals": pa.list_(pa.string())}

    def load(self) -> Observe:
        def observe(response: Response) -> Evidence:
            signals = header_signals(response.headers)
            return {"response_rights_signals": tuple(sorted(signals))}

        return observe


@dataclass(frozen=True)
class Rights:
    """Drop what its publisher has reserved, in whatever place; the most restrictive signal wins.

    Profiles:

    respect  an explicit no to AI training or to text and data mining drops, and so does a
             reservation that cannot be read
    strict   a no to indexing (noindex, noimageindex, none) drops too, and only the licences in
             `allow_licences` are kept
    record   nothing is dropped, everything is tagged

    - `refuse`: more signals that drop, for detectors of your own.
    - `allow_licences`: kinds such as `cc-by` or `cc-by-4.0`; if set, any other licence drops.
    - `unknown_page`: what to do with pairs whose page was never seen, such as those of a dataset of
      links. What such a page reserves is unknown.
    """

    name: ClassVar[str] = "rights"
    version: ClassVar[int] = 6
    reads: ClassVar[tuple[str, ...]] = (
        "page_rights_signals",
        "response_rights_signals",
        "picture_rights_signals",
    )
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP, Action.TAG)
    says_nothing_of_people: ClassVar[bool] = True
    saves_request: ClassVar[bool] = True

    profile: Public[Literal["respect", "strict", "record"]]
    refuse: Public[tuple[str, ...]] = ()
    allow_licences: Public[tuple[str, ...]] = ()
    unknown_page: Public[Literal["drop", "keep"]] = "drop"

    def __post_init__(self) -> None:
        if self.profile == "strict" and not self.allow_licences:
            raise ValueError(
                "the profile `strict` keeps only known licences: set allow_licences, "
                "for example to [cc0, cc-by, public-domain]"
            )

    @cached_property
    def refused(self) -> frozenset[str]:
        """The signals that count as a no under this profile."""
        signals = {*names_of("no"), *self.refuse}
        if self.profile == "strict":
            signals.update(names_of("no to indexes"))
        return frozenset(signals)

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        """One decision for each signal that is a no, and for a licence that is not allowed."""
        action = Action.TAG if self.profile == "record" else Action.DROP
        if evidence["page_rights_signals"] is None and self.unknown_page == "drop":
            yield Decision(action, "rights_unknown_page")
        signals: set[str] = set()
        for source in RIGHTS_SOURCES:
            # before the fetch there are no signals of a response or a picture
            signals.update(evidence.get(f"{source}_rights_signals") or ())
        for signal in sorted(signals & self.refused):
            yield Decision(action, f"rights_{signal}")
        if self.allow_licences and self._can_judge_licence(evidence):
            said = (evidence.get("licence"), evidence.get("picture_licence"))
            kinds = [licence_kind(url) for url in said if url]
            # Of two that disagree the stricter one counts.
            is_allowed = all(is_among(kind, self.allow_licences) for kind in kinds)
            if not kinds or not is_allowed:
                yield Decision(action, "rights_licence_not_allowed")

    def speaks(self, columns: SampleColumns) -> RowMask:
        """The rows with any signal, those of unknown pages, and all where licences count."""
        page = columns["page_rights_signals"]
        if self.allow_licences:
            return np.ones(len(page), np.bool_)
        mask = np.zeros(len(page), np.bool_)
        if self.unknown_page == "drop":
            mask |= ~is_there(page)
        for source in RIGHTS_SOURCES:
            name = f"{source}_rights_signals"
            if name in columns:
                mask |= has_entries(columns[name])
        return mask

    @staticmethod
    def _can_judge_licence(evidence: Readable) -> bool:
        """False before the fetch where the page names no licence: the picture may name one."""
        return bool(evidence.get("licence")) or "picture_licence" in evidence

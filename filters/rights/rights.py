"""What the publisher reserves: opt-outs on the page and on the image's answer
(pairsieve/web/reservations.py has every signal).

What robots.txt and other files of a site say is asked before the request (pairsieve/web/sites.py);
what a file says in XMP is in filters/rights/picture_metadata.py, C2PA in filters/rights/c2pa.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from filters.rule import Action, Decision, Readable
from filters.subjects import Response
from pairsieve.records.licence import is_among, licence_kind
from pairsieve.records.pair import Evidence
from pairsieve.records.privacy import Public
from pairsieve.records.row import RIGHTS_SOURCES
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
    """The opt-outs of a page: headers, meta elements and licences that it holds itself."""
    return meta_signals(meta_values(page), header_signals(page.headers)) | set(
        _licence_signals(page)
    )


def _licence_signals(page: ParsedPage) -> Iterator[str]:
    for node in page.elements["script"]:
        if is_rsl_type(node.attributes.get("type")):
            try:
                licence = read_licence(node.text(), page.url)
            except UnreadableLicence:
                yield RSL_UNREADABLE
            else:
                if licence.refuses_anything:
                    yield RSL_RESERVED


def licence_files(page: ParsedPage) -> Iterator[str]:
    """The addresses of the RSL files that a page names; whoever fetches its pictures reads them
    first.
    """
    linked = linked_licences(
        (value for name, value in page.headers if name.lower() == "link"), page.url
    )
    yield from map(without_credentials, linked)
    for node in page.elements["link"]:
        attributes = node.attributes
        relations = (attributes.get("rel") or "").lower().split()
        if "license" in relations and is_rsl_type(attributes.get("type")):
            yield without_credentials(absolute(page.base, attributes.get("href") or "") or RSL_TYPE)


@dataclass(frozen=True)
class PageRights:
    """Opt-out signals of the page on which the image stands, and the licence files (RSL) that it
    names.
    """

    name: ClassVar[str] = "page_rights"
    version: ClassVar[int] = 5
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
    """Opt-out signals of the answer that carried the image."""

    name: ClassVar[str] = "response_rights"
    version: ClassVar[int] = 4
    needs: ClassVar[Needs] = Needs.RESPONSE
    columns: ClassVar[Columns] = {"response_rights_signals": pa.list_(pa.string())}

    def load(self) -> Observe:
        def observe(response: Response) -> Evidence:
            return {"response_rights_signals": tuple(sorted(header_signals(response.headers)))}

        return observe


@dataclass(frozen=True)
class Rights:
    """Drop what its publisher has reserved, wherever that is said; the most restrictive of all
    signals wins. Profiles:

    respect  an explicit no to AI training or to text and data mining drops, and so does one that
             cannot be read
    strict   a no to indexes (noindex, noimageindex, none) drops too, and only licences of
             `allow_licences` are taken
    record   nothing is dropped, everything is tagged

    `refuse` adds signals of one's own detectors. `allow_licences`: kinds as `cc-by` or `cc-by-4.0`;
    given, anything else is dropped. `unknown_page` decides on pairs whose page was never seen, as
    those of a dataset of links: nobody knows what it said.
    """

    name: ClassVar[str] = "rights"
    version: ClassVar[int] = 5
    reads: ClassVar[tuple[str, ...]] = (
        "page_rights_signals",
        "response_rights_signals",
        "picture_rights_signals",
    )
    actions: ClassVar[tuple[Action, ...]] = (Action.DROP, Action.TAG)
    saves_request: ClassVar[bool] = True

    profile: Public[Literal["respect", "strict", "record"]]
    refuse: Public[tuple[str, ...]] = ()
    allow_licences: Public[tuple[str, ...]] = ()
    unknown_page: Public[Literal["drop", "keep"]] = "drop"

    def __post_init__(self) -> None:
        if self.profile == "strict" and not self.allow_licences:
            raise ValueError(
                "strict takes only known licences: set allow_licences, as [cc0, cc-by, "
                "public-domain]"
            )

    @property
    def refused(self) -> frozenset[str]:
        """The signals that are a no."""
        to_indexes = names_of("no to indexes") if self.profile == "strict" else ()
        return frozenset((*names_of("no"), *self.refuse, *to_indexes))

    def judge(self, evidence: Readable) -> Iterable[Decision]:
        """One decision for each signal; before the fetch there is no response and no picture yet to
        read.
        """
        action = Action.TAG if self.profile == "record" else Action.DROP
        page = evidence["page_rights_signals"]
        if page is None and self.unknown_page == "drop":
            yield Decision(action, "rights_unknown_page")
        said = {
            signal
            for source in RIGHTS_SOURCES
            for signal in evidence.get(f"{source}_rights_signals") or ()
        }
        for signal in sorted(said & self.refused):
            yield Decision(action, f"rights_{signal}")
        if self.allow_licences and self._is_licence_known(evidence):
            url = evidence.get("licence") or evidence.get("picture_licence")
            if not is_among(licence_kind(url), self.allow_licences):
                yield Decision(action, "rights_licence_not_allowed")

    @staticmethod
    def _is_licence_known(evidence: Readable) -> bool:
        """A picture may name its licence itself: where the page names none, it has to be looked at
        first.
        """
        return bool(evidence.get("licence")) or "picture_licence" in evidence

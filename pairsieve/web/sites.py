"""Decides by the files of one site whether a URL may be requested, and keeps them between runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from pairsieve.web.client_settings import ClientSettings
from pairsieve.web.robots import Robots
from pairsieve.web.rsl import RSL_RESERVED, RSL_UNREADABLE, UnreadableLicence, read_licence
from pairsieve.web.site_files import (
    AI_TXT,
    TDMREP,
    TRUST_TXT,
    TRUST_TXT_WELL_KNOWN,
    AiTxt,
    TdmRep,
    trust_refuses,
)
from pairsieve.web.urls import joined

ROBOTS_TXT = "robots.txt"
RSL_PREFIX = "rsl "
MAX_LICENCES = 8  # licence files that are read of one site; a site that names more is refused


@dataclass(frozen=True, slots=True)
class SiteTexts:
    """The texts of a site's files, and when they were read (seconds since 1970).

    `texts` is keyed by file name; a file that does not exist has an empty text. The key of a
    licence file is "rsl " and its address.
    """

    texts: Mapping[str, str]
    read_at: float


@dataclass(frozen=True)
class Site:
    """An origin with the texts of its files; the settings say which of them are respected."""

    origin: str
    texts: Mapping[str, str]
    settings: ClientSettings

    @cached_property
    def robots(self) -> Robots:
        return Robots(self.texts[ROBOTS_TXT], self.settings.robots_ai_agents)

    @cached_property
    def licences(self) -> tuple[str, ...]:
        """The addresses of the licence files that robots.txt names."""
        if not self.settings.rsl:
            return ()
        return tuple(joined(f"{self.origin}/", address) for address in self.robots.licences)

    def missing(self) -> Iterator[str]:
        """Yield the files that still have to be read.

        robots.txt comes first, because it says whether the others may be requested.
        """
        if ROBOTS_TXT not in self.texts:
            yield ROBOTS_TXT
            return
        for name in self._names():
            if name not in self.texts:
                yield name

    def _names(self) -> Iterator[str]:
        """Yield the files to read beside robots.txt."""
        if self.settings.tdmrep:
            yield TDMREP
        if self.settings.ai_txt:
            yield AI_TXT
        if self.settings.trust_txt:
            yield TRUST_TXT
            # The second place is read only when the first is known to be empty.
            if self.texts.get(TRUST_TXT) == "":
                yield TRUST_TXT_WELL_KNOWN
        for address in self.licences[:MAX_LICENCES]:
            yield RSL_PREFIX + address

    @cached_property
    def _tdmrep(self) -> TdmRep:
        return TdmRep(self.texts.get(TDMREP, ""))

    @cached_property
    def _ai_txt(self) -> AiTxt | None:
        text = self.texts.get(AI_TXT, "")
        return AiTxt(text, self.settings.robots_ai_agents) if text else None

    @cached_property
    def _trust_refuses(self) -> bool:
        names = (TRUST_TXT, TRUST_TXT_WELL_KNOWN)
        return any(trust_refuses(self.texts.get(name, "")) for name in names)

    def refusal(self, url: str) -> str | None:
        """Return the status of a URL of this site that must not be requested, or None."""
        refused = self.robots.refusal(url)
        if refused:
            return refused
        if self._tdmrep.reserves(url):
            return "tdmrep_reserved"
        if self._ai_txt and self._ai_txt.refuses(url):
            return "ai_txt_disallowed"
        if self._trust_refuses:
            return "trust_txt_reserved"
        return self._licence_refusal(url)

    def _licence_refusal(self, url: str) -> str | None:
        if len(self.licences) > MAX_LICENCES:
            return RSL_UNREADABLE
        for address in self.licences:
            text = self.texts[RSL_PREFIX + address]
            refusal = licence_refusal(text, address, url, self.origin)
            if refusal:
                return refusal
        return None


def licence_refusal(text: str, address: str, url: str, site: str) -> str | None:
    """Return the status with which a licence file refuses training with a URL, or None.

    `site` is the origin that names the file.
    """
    try:
        licence = read_licence(text, address)
    except UnreadableLicence:
        return RSL_UNREADABLE
    return RSL_RESERVED if licence.refuses(url, site) else None

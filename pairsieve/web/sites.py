"""All that the files of one site say of a URL, and what of them is kept between runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

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
MAX_LICENCES = 8  # licence files of one site that are read; one that names more is refused


@dataclass(frozen=True, slots=True)
class SiteTexts:
    """What a site's files said by name (nothing, where there is none), and when they were read
    (seconds since 1970).

    A licence file stands under "rsl " and its address.
    """

    texts: Mapping[str, str]
    read_at: float


@dataclass(frozen=True)
class SiteFileSettings:
    """Which files are asked for beside robots.txt, and whether a no to any known AI crawler is a no
    to us.
    """

    ai_agents: bool
    tdmrep: bool
    ai_txt: bool
    trust_txt: bool
    rsl: bool


@dataclass(frozen=True)
class Site:
    """An origin with what its files said."""

    origin: str
    texts: Mapping[str, str]
    settings: SiteFileSettings

    @cached_property
    def robots(self) -> Robots:
        return Robots(self.texts[ROBOTS_TXT], self.settings.ai_agents)

    @cached_property
    def licences(self) -> tuple[str, ...]:
        """The addresses of the licence files that robots.txt names."""
        return (
            tuple(joined(f"{self.origin}/", address) for address in self.robots.licences)
            if self.settings.rsl
            else ()
        )

    def missing(self) -> Iterator[str]:
        """The files that have still to be read, robots.txt first: it says whether the others may be
        asked for.
        """
        if ROBOTS_TXT not in self.texts:
            yield ROBOTS_TXT
            return
        settings = self.settings
        wanted = (
            (TDMREP, settings.tdmrep),
            (AI_TXT, settings.ai_txt),
            (TRUST_TXT, settings.trust_txt),
        )
        names = [name for name, is_wanted in wanted if is_wanted]
        if settings.trust_txt and not self.texts.get(TRUST_TXT, "?"):
            names.append(TRUST_TXT_WELL_KNOWN)
        names += [RSL_PREFIX + address for address in self.licences[:MAX_LICENCES]]
        yield from (name for name in names if name not in self.texts)

    @cached_property
    def _tdmrep(self) -> TdmRep:
        return TdmRep(self.texts.get(TDMREP, ""))

    @cached_property
    def _ai_txt(self) -> AiTxt | None:
        text = self.texts.get(AI_TXT, "")
        return AiTxt(text, self.settings.ai_agents) if text else None

    @cached_property
    def _trust_refuses(self) -> bool:
        return any(
            trust_refuses(self.texts.get(name, "")) for name in (TRUST_TXT, TRUST_TXT_WELL_KNOWN)
        )

    def refusal(self, url: str) -> str | None:
        """The status with which a URL of this site is not asked for, or None."""
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
        refusals = (
            licence_refusal(self.texts[RSL_PREFIX + address], address, url, self.origin)
            for address in self.licences
        )
        return next((refusal for refusal in refusals if refusal), None)


def licence_refusal(text: str, address: str, url: str, site: str) -> str | None:
    """The status with which a licence file refuses training with a URL; `site` is the origin that
    names the file.
    """
    try:
        licence = read_licence(text, address)
    except UnreadableLicence:
        return RSL_UNREADABLE
    return RSL_RESERVED if licence.refuses(url, site) else None

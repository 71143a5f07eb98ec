"""Every machine-readable reservation that is heard: one row a signal. docs/consent.md says how
conflicts resolve.

`name` is the signal as rows carry it (`rights_signals`), or the status with which a picture is not
asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from pairsieve.records.page import Headers
from pairsieve.web.agents import ai_agents
from pairsieve.web.fields import list_items
from pairsieve.web.usage import USAGE_FIELDS, read_usage

Place = Literal["robots.txt", "site file", "page and answer", "picture", "anywhere"]
Meaning = Literal["no", "no to indexes"]


@dataclass(frozen=True, slots=True)
class Reservation:
    """A signal: where it stands, how it is written, who says so and when, and what it means to the
    rule `rights`.

    A `no` is one in every profile but `record`; a `no to indexes` in the profile `strict` alone.
    """

    name: str
    place: Place
    grammar: str
    source: str
    dated: str
    means: Meaning = "no"


RFC_9309 = "https://www.rfc-editor.org/rfc/rfc9309"
AGENT_LIST = "https://github.com/ai-robots-txt/ai.robots.txt"
AIPREF_ATTACH = "https://datatracker.ietf.org/doc/draft-ietf-aipref-attach/"
AIPREF_VOCAB = "https://datatracker.ietf.org/doc/draft-ietf-aipref-vocab/"
TDM_REP = "https://www.w3.org/community/reports/tdmrep/CG-FINAL-tdmrep-20240510/"
SPAWNING = "https://site.spawning.ai/spawning-ai-txt"
TRUST = "https://journallist.net/reference-document-for-trust-txt-specifications"
RSL = "https://rslstandard.org/rsl"
DEVIANTART = "https://www.deviantart.com/team/journal/UPDATE-All-Deviations-Are-Opted-Out-of-AI-Datasets-934500371"
MOJEEK = "https://noml.info"
CANEL = "https://datatracker.ietf.org/doc/draft-canel-robots-ai-control/"
GOOGLE = "https://developers.google.com/search/docs/crawling-indexing/robots-meta-tag"
IPTC = "https://www.iptc.org/std/photometadata/specification/IPTC-PhotoMetadata"
CAWG = "https://cawg.io/training-and-data-mining/1.1/"
META_OR_HEADER = "robots meta element, X-Robots-Tag"
USAGE_LINES = (
    "Content-Usage: [path] train-ai=n, Content-Signal: [path] ai-train=no, DisallowAITraining: "
    "path, TDM-Reservation: 1"
)

RESERVATIONS: tuple[Reservation, ...] = (
    Reservation(
        "robots_disallowed", "robots.txt", "Disallow under our agent or *", RFC_9309, "2022-09"
    ),
    Reservation(
        "robots_ai_disallowed",
        "robots.txt",
        "Disallow under a known AI crawler",
        AGENT_LIST,
        "2026-11",
    ),
    Reservation("robots_ai_reserved", "robots.txt", USAGE_LINES, AIPREF_ATTACH, "2026-08"),
    Reservation(
        "tdmrep_reserved",
        "site file",
        "/.well-known/tdmrep.json with tdm-reservation 1",
        TDM_REP,
        "2024-05",
    ),
    Reservation(
        "ai_txt_disallowed",
        "site file",
        "/ai.txt, written as robots.txt, or Training: deny",
        SPAWNING,
        "2023-05",
    ),
    Reservation(
        "trust_txt_reserved",
        "site file",
        "/trust.txt with datatrainingallowed=no",
        TRUST,
        "2024-04",
    ),
    Reservation(
        "rsl_reserved",
        "anywhere",
        "a licence file (application/rsl+xml) without free training",
        RSL,
        "2025-12",
    ),
    Reservation(
        "rsl_unreadable",
        "anywhere",
        "a licence file that is named and cannot be read",
        RSL,
        "2025-12",
    ),
    Reservation("noai", "page and answer", META_OR_HEADER, DEVIANTART, "2022-11"),
    Reservation("noimageai", "page and answer", META_OR_HEADER, DEVIANTART, "2022-11"),
    Reservation("noml", "page and answer", META_OR_HEADER, MOJEEK, "2023-10"),
    Reservation("disallowaitraining", "page and answer", META_OR_HEADER, CANEL, "2024-10"),
    Reservation(
        "ai_agent_noindex",
        "page and answer",
        "noindex or none, to a known AI crawler by name",
        GOOGLE,
        "2025-12",
    ),
    Reservation(
        "tdm_reserved",
        "anywhere",
        "header or meta element tdm-reservation 1, XMP tdm:reservation 1",
        TDM_REP,
        "2024-05",
    ),
    Reservation(
        "content_usage_no_ai",
        "page and answer",
        "Content-Usage: train-ai=n or Content-Signal",
        AIPREF_VOCAB,
        "2026-09",
    ),
    Reservation(
        "content_usage_unreadable",
        "page and answer",
        "one of these without yes or no to training",
        AIPREF_VOCAB,
        "2026-09",
    ),
    Reservation(
        "data_mining_prohibited",
        "picture",
        "XMP plus:DataMining DMI-PROHIBITED...",
        IPTC,
        "2023-10",
    ),
    Reservation(
        "c2pa_not_allowed",
        "picture",
        "training-mining assertion, notAllowed or constrained",
        CAWG,
        "2025-05",
    ),
    Reservation(
        "c2pa_unreadable",
        "picture",
        "a manifest that cannot be read, or lies elsewhere",
        CAWG,
        "2025-05",
    ),
    Reservation("noindex", "page and answer", META_OR_HEADER, GOOGLE, "2025-12", "no to indexes"),
    Reservation(
        "noimageindex", "page and answer", META_OR_HEADER, GOOGLE, "2025-12", "no to indexes"
    ),
    Reservation("none", "page and answer", META_OR_HEADER, GOOGLE, "2025-12", "no to indexes"),
)

TDM_RESERVED, NO_AI_TRAINING, UNREADABLE_USAGE = (
    "tdm_reserved",
    "content_usage_no_ai",
    "content_usage_unreadable",
)
AI_AGENT_NOINDEX = "ai_agent_noindex"
ROBOTS_WORDS = frozenset(row.name for row in RESERVATIONS if row.grammar == META_OR_HEADER)
NO_TO_INDEXES = frozenset(row.name for row in RESERVATIONS if row.means == "no to indexes")
# Rules whose value is no rule of its own: max-image-preview:none, and dates with commas and colons
# in them.
_VALUED = re.compile(
    r"\bmax-(?:snippet|image-preview|video-preview)\s*:\s*[\w-]+"
    r"|\bunavailable_after\s*:(?:\s*[a-z]+,)?[^,;]*(?:,\s*\d[^,;]*)?"
)
_AGENT = re.compile(r"\s*([\w./-]+(?: [\w./-]+){0,3})\s*:(?!//)\s*")


def names_of(means: Meaning) -> tuple[str, ...]:
    """The signals that mean this."""
    return tuple(row.name for row in RESERVATIONS if row.means == means)


def robots_signals(value: str, agent: str = "") -> Iterator[str]:
    """The words of robots directives, whatever their case and order. An agent's name stands for
    what follows it; any agent's no counts, and a no to indexes that is addressed to an AI crawler
    is one to AI.
    """
    for part in list_items(_VALUED.sub("", value.lower()), ",;"):
        scope = _AGENT.match(part)
        agent = scope[1] if scope else agent
        for word in part[scope.end() if scope else 0 :].split():
            if word in ROBOTS_WORDS:
                yield word
            if word in NO_TO_INDEXES and agent in ai_agents():
                yield AI_AGENT_NOINDEX


def tdm_answers(value: str) -> Iterator[bool]:
    """What a tdm-reservation says, each of several; values other than 0 and 1 count as unset."""
    for item in list_items(value):
        answer = item.partition(";")[0].strip().strip('"')
        if answer in ("0", "1"):
            yield answer == "1"


def usage_signals(*values: str) -> Iterator[str]:
    """A no to training in one field, and what cannot be read."""
    usage = read_usage(*values)
    if usage.unreadable:
        yield UNREADABLE_USAGE
    if usage.denies:
        yield NO_AI_TRAINING


def header_signals(headers: Headers) -> set[str]:
    """The reservations that HTTP headers carry; a header that stands several times counts each
    time.
    """
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value)
    signals = {
        signal for value in values.get("x-robots-tag", ()) for signal in robots_signals(value)
    }
    if any(answer for value in values.get("tdm-reservation", ()) for answer in tdm_answers(value)):
        signals.add(TDM_RESERVED)
    signals.update(
        signal for name in USAGE_FIELDS for signal in usage_signals(*values.get(name, ()))
    )
    return signals


def meta_signals(metas: Iterable[tuple[str, str]], before: set[str]) -> set[str]:
    """The reservations of a page: `metas` are (name, content) of its meta elements, `before` is
    what its headers say.

    A valid TDM meta element has the last word over the header; of several the one that reserves.
    """
    signals, tdm = set(before), list[bool]()
    for name, content in metas:
        if name == "robots" or name in ai_agents():
            signals.update(robots_signals(content, agent=name))
        elif name in ("tdm-reservation", "tdm:reservation"):
            tdm.extend(tdm_answers(content))
        else:
            signals |= header_signals(((name, content),))
    if tdm:
        signals.discard(TDM_RESERVED)
    return signals | ({TDM_RESERVED} if any(tdm) else set())

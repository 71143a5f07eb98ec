"""The table of machine-readable reservations that pairsieve obeys, and the readers of headers.

RESERVATIONS has one row for each signal. docs/consent.md shows the same table (a test compares
them) and says how conflicts between signals are resolved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from pairsieve.records.page import Headers
from pairsieve.web.agents import ai_agents
from pairsieve.web.fields import list_items, without_quotes
from pairsieve.web.usage import USAGE_FIELDS, read_usage

Place = Literal["robots.txt", "site file", "page and answer", "picture", "anywhere"]
Meaning = Literal["no", "no to indexes"]


@dataclass(frozen=True, slots=True)
class Reservation:
    """One signal by which a publisher reserves its content.

    name     the signal as rows carry it (`rights_signals`), or the status of a picture that was
             not requested because of it
    place    where the signal stands
    grammar  how it is written
    source   the specification, or the document that describes it
    dated    year and month of the source
    means    what it means to the rule `rights`: a `no` counts in every profile except `record`,
             a `no to indexes` counts only in the profile `strict`
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

TDM_RESERVED = "tdm_reserved"
NO_AI_TRAINING = "content_usage_no_ai"
UNREADABLE_USAGE = "content_usage_unreadable"
AI_AGENT_NOINDEX = "ai_agent_noindex"
ROBOTS_WORDS = frozenset(row.name for row in RESERVATIONS if row.grammar == META_OR_HEADER)
NO_TO_INDEXES = frozenset(row.name for row in RESERVATIONS if row.means == "no to indexes")
NO_TO_AI = ROBOTS_WORDS - NO_TO_INDEXES
# Names of meta elements that address a crawler, or AI: googlebot, baiduspider, slurp, ai-training.
_ROBOT_NAME = re.compile(r"bot|spider|crawl|slurp|\bai\b")
# Directives with a value. The value must not be read as a directive (max-image-preview:none), nor
# the commas and colons in a date as separators.
_VALUED = re.compile(
    r"\bmax-(?:snippet|image-preview|video-preview)\s*:\s*[\w-]+"
    r"|\bunavailable_after\s*:(?:\s*[a-z]+,)?[^,;]*(?:,\s*\d[^,;]*)?"
)
# "name:" before a directive addresses it to one crawler; "://" belongs to a URL.
_AGENT = re.compile(r"\s*([\w./-]+(?: [\w./-]+){0,3})\s*:(?!//)\s*")


def names_of(means: Meaning) -> tuple[str, ...]:
    """List the names of the signals with this meaning."""
    return tuple(row.name for row in RESERVATIONS if row.means == means)


def robots_signals(value: str, agent: str = "") -> Iterator[str]:
    """Yield the reservations in robots directives, in any case and order.

    `value` is the content of a robots meta element or of an X-Robots-Tag header. An agent's name
    applies to the directives that follow it; `agent` applies before the first name. A reservation
    counts whichever agent it addresses. A no to indexes that addresses an AI crawler is a no to AI.
    """
    for part in list_items(_VALUED.sub("", without_quotes(value.lower())), ",;"):
        scope = _AGENT.match(part)
        directives = part
        if scope:
            agent = scope[1]
            directives = part[scope.end() :]
        for word in directives.split():
            if word in ROBOTS_WORDS:
                yield word
            if word in NO_TO_INDEXES and agent in ai_agents():
                yield AI_AGENT_NOINDEX


def tdm_answers(value: str) -> Iterator[bool]:
    """Yield whether each item of a tdm-reservation reserves; values except 0 and 1 are unset.

    They are numbers, which some write as 1.0.
    """
    for item in list_items(value):
        answer = without_quotes(item.partition(";")[0])
        if answer in ("0", "1", "0.0", "1.0"):
            yield answer.startswith("1")


def usage_signals(*values: str) -> Iterator[str]:
    """Yield the reservations of one usage field, which may stand several times."""
    usage = read_usage(*values)
    if usage.unreadable:
        yield UNREADABLE_USAGE
    if usage.denies:
        yield NO_AI_TRAINING


def header_signals(headers: Headers) -> set[str]:
    """Find the reservations in HTTP headers; every occurrence of a header counts."""
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value)
    signals: set[str] = set()
    for value in values.get("x-robots-tag", ()):
        signals.update(robots_signals(value))
    for value in values.get("tdm-reservation", ()):
        if any(tdm_answers(value)):
            signals.add(TDM_RESERVED)
    for name in USAGE_FIELDS:
        if name in values:
            signals.update(usage_signals(*values[name]))
    return signals


def meta_signals(metas: Iterable[tuple[str, str]], before: set[str]) -> set[str]:
    """Find the reservations of a page.

    `metas` are (name, content) of its meta elements; `before` are the signals of its headers. A
    valid TDM meta element overrides the header. Where several TDM meta elements disagree, the one
    that reserves counts.
    """
    signals = set(before)
    answers: list[bool] = []
    for name, content in metas:
        if name == "robots" or name in ai_agents():
            signals.update(robots_signals(content, agent=name))
        elif _ROBOT_NAME.search(name):
            # What tells another crawler not to index says nothing to us.
            signals.update(NO_TO_AI.intersection(robots_signals(content)))
        elif name in ("tdm-reservation", "tdm:reservation"):
            answers.extend(tdm_answers(content))
        else:
            # any other name may repeat a header, as http-equiv does
            signals |= header_signals(((name, content),))
    if answers:
        signals.discard(TDM_RESERVED)
    if any(answers):
        signals.add(TDM_RESERVED)
    return signals

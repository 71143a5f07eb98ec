"""Detect medical pages: medical words in the title and main headings, or a known medical host."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from filters.medical.text import make_judge
from filters.pages.page_head import language_of_page, title_of
from pairsieve.records.pair import Evidence
from pairsieve.web.html import ParsedPage
from pairsieve.web.urls import host_of

MAX_HEADINGS, MAX_HEADING_CHARS = 5, 300
HEADLINE = pa.struct(
    [("text", pa.string()), ("terms", pa.list_(pa.string())), ("score", pa.float32())]
)


@lru_cache(1)
def shipped_hosts() -> frozenset[str]:
    """The hosts of hosts.txt."""
    text = files("filters.medical").joinpath("hosts.txt").read_text("utf-8")
    without_comments = [line.partition("#")[0].strip() for line in text.splitlines()]
    return frozenset(host for host in without_comments if host)


def host_checker(hosts: Iterable[str]) -> Callable[[str], bool]:
    """A function that says whether a URL's host is one of these hosts, or below one of them."""
    known = frozenset(hosts)

    def is_known(url: str) -> bool:
        # the host itself, then each domain above it
        domain = host_of(url) if known else ""
        while domain and domain not in known:
            _, _, domain = domain.partition(".")
        return bool(domain)

    return is_known


@dataclass(frozen=True)
class MedicalPage:
    """Whether a page is medical, by its title, its headings and its host.

    - `page_medical_terms`: as for captions, but of title and headings.
    - `page_medical_headlines`: the headlines that look medical, with what was observed in each. The
      rule needs their texts, since a title that repeats the caption is the same evidence.
    - `page_medical_host`: whether the page's host is a known medical one.

    `extra_hosts` are added to hosts.txt.
    """

    name: ClassVar[str] = "medical_page"
    version: ClassVar[int] = 9
    needs: ClassVar[Needs] = Needs.PAGE
    columns: ClassVar[Columns] = {
        "page_medical_terms": pa.list_(pa.string()),
        "page_medical_headlines": pa.list_(HEADLINE),
        "page_medical_host": pa.bool_(),
    }

    extra_hosts: tuple[str, ...] = ()

    def load(self) -> Observe:
        judge = make_judge().judge
        is_medical_host = host_checker([*shipped_hosts(), *self.extra_hosts])

        def observe(page: ParsedPage) -> Evidence:
            # of "de-CH" the language is "de"
            language = language_of_page(page).partition("-")[0]
            terms: set[str] = set()
            medical: list[dict[str, object]] = []
            for text in headlines(page):
                found = judge(text, language)
                terms.update(found.terms)
                if found.terms or found.score > 0:
                    listed = list(found.terms)
                    medical.append({"text": text, "terms": listed, "score": found.score})
            return {
                "page_medical_terms": tuple(sorted(terms)),
                "page_medical_headlines": tuple(medical),
                "page_medical_host": is_medical_host(page.url),
            }

        return observe


def headlines(page: ParsedPage) -> list[str]:
    """The title of a page and its first `<h1>` headings, without empty ones."""
    texts = [title_of(page)]
    for node in page.elements["h1"][:MAX_HEADINGS]:
        heading = " ".join(node.text().split())
        texts.append(heading[:MAX_HEADING_CHARS])
    return [text for text in texts if text]

"""What a page says of itself: medical words in its title and main headings, a host that is known
for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import chain
from typing import ClassVar

import pyarrow as pa

from filters.detector import Columns, Needs, Observe
from filters.medical.terms import make_finder, shipped_phrases, shipped_terms
from filters.medical.words import load_words
from filters.pages.page_head import title_of
from pairsieve.records.pair import Evidence
from pairsieve.web.html import ParsedPage
from pairsieve.web.urls import host_of

MAX_HEADINGS, MAX_HEADING_CHARS = 5, 300


@lru_cache(1)
def shipped_hosts() -> frozenset[str]:
    """The hosts of hosts.txt."""
    lines = files("filters.medical").joinpath("hosts.txt").read_text("utf-8").splitlines()
    return frozenset(host for line in lines if (host := line.partition("#")[0].strip()))


def host_checker(hosts: Iterable[str]) -> Callable[[str], bool]:
    """Whether a URL is of one of these hosts or lies below one."""
    known = frozenset(hosts)

    def is_known(url: str) -> bool:
        labels = host_of(url).split(".")
        return any(".".join(labels[i:]) in known for i in range(len(labels)))

    return is_known


@dataclass(frozen=True)
class MedicalPage:
    """`page_medical_terms` and `page_medical_words`, as for captions, of title and headings;
    `page_medical_host`.

    `extra_hosts` are added to hosts.txt.
    """

    name: ClassVar[str] = "medical_page"
    version: ClassVar[int] = 2
    needs: ClassVar[Needs] = Needs.PAGE
    columns: ClassVar[Columns] = {
        "page_medical_terms": pa.list_(pa.string()),
        "page_medical_words": pa.float32(),
        "page_medical_host": pa.bool_(),
    }

    extra_hosts: tuple[str, ...] = ()

    def load(self) -> Observe:
        finder, words = make_finder((*shipped_terms(), *shipped_phrases())), load_words()
        is_medical = host_checker((*shipped_hosts(), *self.extra_hosts))

        def observe(page: ParsedPage) -> Evidence:
            found = [finder.find(text) for text in headlines(page)]
            return {
                "page_medical_terms": tuple(
                    sorted(set(chain.from_iterable(one.terms for one in found)))
                ),
                "page_medical_words": max((words.score(one.defused) for one in found), default=0.0),
                "page_medical_host": is_medical(page.url),
            }

        return observe


def headlines(page: ParsedPage) -> list[str]:
    """The title and the first headings of the first rank."""
    headings = (
        " ".join(node.text().split())[:MAX_HEADING_CHARS]
        for node in page.elements["h1"][:MAX_HEADINGS]
    )
    return [text for text in (title_of(page), *headings) if text]

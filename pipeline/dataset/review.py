"""The release check: looks for what an artist, a reporter or a privacy officer would look for,
before they do.

Every row is looked at, with every disease name and word of the shipped lists; nothing is sampled.
What is found is a reason to look, not a verdict: rules have decided before, and some of what is
found here was published on purpose, with a tag.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files as resources
from itertools import repeat
from typing import Any

from jinja2 import Environment

from filters.medical.terms import Finder, make_finder, shipped_phrases, shipped_terms
from filters.medical.words import WordWeights, load_words
from filters.privacy.spans import kinds_in_url, personal_spans
from pairsieve.erasure.opt_outs import OptOuts
from pairsieve.erasure.tombstones import IMAGE_URL, MD5, PAGE_URL, SHA256, Tombstones
from pairsieve.images.pdq import ALIKE, as_hashes, nearest
from pairsieve.search.rows import batches
from pairsieve.storage import files
from pairsieve.web.shown import plain, safe_link
from pairsieve.web.urls import canonical

MOST_LISTED = 2_000
WORDS_FROM, PICTURE_FROM = 0.9, 0.5  # as filters/medical/rule.py
RISKS: Mapping[str, float] = {
    "tombstoned": 100.0,
    "example": 95.0,
    "opt_out": 90.0,
    "personal_data": 80.0,
    "face_and_medical": 70.0,
    "medical_picture": 60.0,
    "medical_words": 40.0,
    "no_provenance": 20.0,
}
"""Kind of finding -> how much it weighs in the order of the list."""
LIMITS: Mapping[str, float] = {"medical_words": 0.01}
"""Share of the rows that may bear a finding where the config says nothing; 0 for every other kind.
"""
READ = (
    "URL", "TEXT", "final_url", "page_url", "warc_file", "crawl_time", "page_source", "sha256",
    "md5", "pdq", "face_count",
    "medical_picture_score", "key", "tags",
)  # fmt: skip
Scores = Callable[[str], Iterable[float]]
"""A shard's path -> how medical each of its pictures is by its vector, where vectors were
published.
"""


@dataclass(frozen=True)
class Finding:
    """One reason to look at a row."""

    kind: str
    what: str


@dataclass(frozen=True)
class Looked:
    """What is looked for besides words: tombstones, registries of refusals, hashes of example
    pictures.
    """

    stones: Tombstones | None = None
    opted_out: OptOuts | None = None
    example_hashes: Sequence[bytes] = ()
    example_digests: frozenset[str] = frozenset()

    @cached_property
    def _finder(self) -> Finder:
        return make_finder((*shipped_terms(), *shipped_phrases()))

    @cached_property
    def _words(self) -> WordWeights:
        return load_words()

    def findings(self, row: Mapping[str, Any], score: float | None = None) -> Iterator[Finding]:
        """Every reason to look at a row; `score`: how medical its picture is, where its row does
        not say.
        """
        urls = [url for url in (row.get("URL"), row.get("final_url"), row.get("page_url")) if url]
        yield from self._erased(row, urls)
        yield from self._opted_out(row, urls)
        yield from self._personal(row, urls)
        medical = list(self._medical(row, score))
        yield from medical
        if medical and row.get("face_count"):
            yield Finding("face_and_medical", f"{row['face_count']} face(s)")
        if row.get("page_source", "warc") != "none" and not (
            row.get("page_url") and row.get("crawl_time")
        ):
            yield Finding("no_provenance", "no page or no time of its crawl")

    def _opted_out(self, row: Mapping[str, Any], urls: Sequence[str]) -> Iterator[Finding]:
        if self.opted_out is None:
            return
        kinds = {kind for url in urls if (kind := self.opted_out.match_url(url))}
        yield from (Finding("opt_out", f"its {kind} is on a registry") for kind in sorted(kinds))
        if self.opted_out.match_picture(row.get("md5"), row.get("sha256")):
            yield Finding("opt_out", "its picture is on a registry")

    def _erased(self, row: Mapping[str, Any], urls: Sequence[str]) -> Iterator[Finding]:
        stones = self.stones
        if stones:
            asked = (
                (IMAGE_URL, row.get("URL")),
                (IMAGE_URL, row.get("final_url")),
                (PAGE_URL, row.get("page_url")),
            )
            by_url = any(stones.has(kind, canonical(url)) for kind, url in asked if url) or any(
                map(stones.has_place, urls)
            )
            by_hash = stones.has(SHA256, row.get("sha256")) or stones.has(MD5, row.get("md5"))
            if by_url or by_hash or stones.alike(row.get("pdq")) is not None:
                yield Finding("tombstoned", "was taken out before")
        same = bool(row.get("sha256")) and row["sha256"] in self.example_digests
        if same or (
            row.get("pdq") and self.example_hashes and self._is_example(bytes.fromhex(row["pdq"]))
        ):
            yield Finding("example", "the picture of an example")

    def _is_example(self, bits: bytes) -> bool:
        return int(nearest(as_hashes([bits]), as_hashes(self.example_hashes))[0]) <= ALIKE

    def _personal(self, row: Mapping[str, Any], urls: Sequence[str]) -> Iterator[Finding]:
        kinds = {span.kind for span in personal_spans(row.get("TEXT") or "")}
        for url in urls:
            kinds |= {f"{kind} in a URL" for kind in kinds_in_url(url)}
        yield from (Finding("personal_data", kind) for kind in sorted(kinds))

    def _medical(self, row: Mapping[str, Any], score: float | None) -> Iterator[Finding]:
        found = self._finder.find(row.get("TEXT") or "")
        if found.terms:
            yield Finding("medical_words", ", ".join(found.terms))
        elif self._words.score(found.remaining_text) >= WORDS_FROM:
            yield Finding("medical_words", "by the weights of its words")
        said = row.get("medical_picture_score") if score is None else score
        if said is not None and said >= PICTURE_FROM:
            yield Finding("medical_picture", f"{said:.2f} of the prompts")


@dataclass
class Review:
    """What was found: how many rows bear each kind, and the riskiest rows."""

    rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    riskiest: list[tuple[float, int, dict[str, Any], tuple[Finding, ...]]] = field(
        default_factory=list
    )

    def add(self, row: Mapping[str, Any], findings: Iterable[Finding]) -> None:
        """One row."""
        self.rows += 1
        found = tuple(findings)
        if found:
            self.counts.update({finding.kind for finding in found})
            risk = sum(RISKS[kind] for kind in {finding.kind for finding in found})
            entry = (
                risk,
                -self.rows,
                {name: row.get(name) for name in ("URL", "TEXT", "page_url", "key")},
                found,
            )
            (heapq.heappush if len(self.riskiest) < MOST_LISTED else heapq.heappushpop)(
                self.riskiest, entry
            )

    def over(self, limits: Mapping[str, float]) -> list[str]:
        """A line for each kind of which there is more than the share that is allowed."""
        allowed = {**LIMITS, **limits}
        return [
            f"{kind}: {self.counts[kind]} of {self.rows} rows, "
            f"{allowed.get(kind, 0.0) * self.rows:.0f} allowed"
            for kind in RISKS
            if self.counts[kind] > allowed.get(kind, 0.0) * self.rows
        ]


def review(
    folder: str,
    paths: Sequence[str],
    looked: Looked,
    names: Mapping[str, str],
    scores: Scores | None = None,
) -> Review:
    """Look at every row of these shards; `names`: ours -> the dataset's own."""
    found = Review()
    for path in paths:
        rows = (
            row
            for batch in batches(files.join(folder, path), READ, names)
            for row in batch.to_pylist()
        )
        by_vector = scores(path) if scores else repeat(None)
        for row, score in zip(rows, by_vector, strict=False):
            found.add(row, looked.findings(row, score))
    return found


def review_page(name: str, found: Review, over: Sequence[str]) -> str:
    """What somebody is to look at, the riskiest first: one page for those who decide, since it
    holds captions and addresses.
    """
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(
        resources("pipeline.dataset").joinpath("check.html.j2").read_text("utf-8")
    )
    ordered = sorted(found.riskiest, key=lambda entry: (-entry[0], -entry[1]))
    rows = [_shown(row, findings) for _, _, row, findings in ordered]
    counts = [(kind, found.counts[kind]) for kind in RISKS]
    return template.render(
        name=name, rows=rows, counts=counts, number=found.rows, over=over, listed=len(rows)
    )


def _shown(row: Mapping[str, Any], findings: Sequence[Finding]) -> dict[str, Any]:
    url, page = row["URL"] or "", row.get("page_url") or ""
    return {
        "caption": plain(row["TEXT"] or ""),
        "url": plain(url),
        "link": safe_link(url),
        "page": plain(page),
        "page_link": safe_link(page),
        "key": row.get("key") or "",
        "findings": findings,
    }

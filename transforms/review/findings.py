"""Finds in a row what an artist, a reporter or a privacy officer would look for.

A finding is a reason to look and no verdict: rules have decided before, and some rows were
published on purpose, with a tag. Nothing here imports Beam.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from filters.batch import RowMask
from filters.children.place import find_cues
from filters.children.text import make_child_judge
from filters.medical.near import NEAR_CHARS
from filters.medical.text import make_judge
from filters.medical.words import reaches
from filters.privacy.presidio_patterns import FindKinds
from filters.privacy.spans import kinds_in_url, personal_spans
from filters.text_batch import TextBatch
from pairsieve.erasure.opt_outs import OptOuts
from pairsieve.erasure.tombstones import IMAGE_URL, MD5, PAGE_URL, SHA256, Tombstones
from pairsieve.images.pdq import ALIKE, as_hashes, nearest
from pairsieve.records.origin_columns import PDQ_COLUMNS
from pairsieve.web.places import address_key

# As the defaults of the rule `medical` (filters/medical/rule.py).
MIN_WORD_SCORE, MIN_PICTURE_SCORE = 0.9, 0.5
# What redaction writes (filters/verdict.py). The words that stood there kept others apart, so that
# none come near each other in its place.
REDACTED = re.compile(r"\[[A-Z_]+\]")
# The rule `documents` leaves rows with such tags in with its profiles `lenient` and `audit`.
DOCUMENT_TAGS = "document_"
WITHOUT_PAGE = "none"  # of a pair that was read without a page
_GAP = "·" * (NEAR_CHARS + 1)
RISKS: Mapping[str, float] = {
    "tombstoned": 100.0,
    "example": 95.0,
    "opt_out": 90.0,
    "personal_data": 80.0,
    "face_and_medical": 70.0,
    "document": 65.0,
    "medical_picture": 60.0,
    "child": 50.0,
    "medical_words": 40.0,
    "child_words": 35.0,
    "second_detector": 30.0,
    "no_provenance": 20.0,
}
"""Kind of finding -> its weight in the order of the list."""
COLUMNS = (
    "URL", "TEXT", "LANGUAGE", "final_url", "page_url", "warc_file", "crawl_time", "page_source",
    "sha256", "md5", *PDQ_COLUMNS, "face_count", "medical_picture_score", "key", "tags",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One reason to look at a row: a kind of RISKS, and what was found."""

    kind: str
    what: str


@dataclass(frozen=True)
class MedicalWords:
    """What counts as medical words; the fields are those of `medical_caption` and `medical`.

    Rows are judged as the rules judged them when these are the settings of the dataset's config.
    """

    extra_terms: tuple[str, ...] = ()
    extra_defused: tuple[str, ...] = ()
    words_from: float = MIN_WORD_SCORE

    def found(self, caption: str, language: str) -> str:
        """What is medical in a published caption; empty where nothing is.

        Weights are not asked about a redacted caption: the words that it lost would count.
        """
        gapped, redacted = REDACTED.subn(_GAP, caption)
        words = make_judge(self.extra_terms, self.extra_defused).judge(gapped, language)
        if words.terms:
            return ", ".join(words.terms)
        if not redacted and reaches(words.score, self.words_from):
            return "by the weights of its words"
        return ""

    def may_be_found(self, captions: TextBatch, languages: pa.ChunkedArray) -> RowMask:
        """In which of many captions `found` may find something, if none was redacted.

        No caption may hold BORDER (filters/joined_texts.py).
        """
        judge = make_judge(self.extra_terms, self.extra_defused)
        return judge.may_find(captions, languages, self.words_from)


class Looks(NamedTuple):
    """What to look for in the texts of a row; what is left out is known not to be there."""

    personal: bool = True
    urls: bool = True
    medical: bool = True
    children: bool = True


_EVERYTHING = Looks()


@dataclass(frozen=True)
class Reviewer:
    """Looks for words, personal data, children and medical pictures, and for what is given here.

    `stones`: rows that were taken out before. `opted_out`: registries of refusals.
    `second`: a second detector of personal data (filters/privacy/presidio_patterns.py).
    `example_hashes` (PDQ, in all orientations) and `example_digests` (sha256): example pictures.
    `medical`: what counts as medical words.
    """

    stones: Tombstones | None = None
    opted_out: OptOuts | None = None
    example_hashes: Sequence[bytes] = ()
    example_digests: frozenset[str] = frozenset()
    second: FindKinds | None = None
    medical: MedicalWords = MedicalWords()

    @property
    def has_lists(self) -> bool:
        """Whether it looks for something that only a look at each row can tell."""
        examples = bool(self.example_hashes or self.example_digests)
        return examples or any((self.stones, self.opted_out, self.second))

    def findings(
        self, row: Mapping[str, Any], score: float | None = None, looks: Looks = _EVERYTHING
    ) -> Iterator[Finding]:
        """Every reason to look at a row.

        `score` says how medical its picture is by its vector; without it the row's own column does.
        """
        urls = [row[name] for name in ("URL", "final_url", "page_url") if row.get(name)]
        yield from self._erased(row, urls)
        yield from self._examples(row)
        yield from self._opted_out(row, urls)
        yield from self._personal(row, urls, looks)
        medical = list(self._medical(row, score, looks))
        yield from medical
        if medical and row.get("face_count"):
            yield Finding("face_and_medical", f"{row['face_count']} face(s)")
        for tag in _tags(row):
            if tag.startswith(DOCUMENT_TAGS):
                yield Finding("document", f"its tag is {tag}")
        yield from _children(row, urls, looks)
        if not _has_provenance(row):
            yield Finding("no_provenance", "no page or no time of its crawl")

    def _erased(self, row: Mapping[str, Any], urls: Sequence[str]) -> Iterator[Finding]:
        stones = self.stones
        if stones is None:
            return
        addresses = (
            (IMAGE_URL, row.get("URL")),
            (IMAGE_URL, row.get("final_url")),
            (PAGE_URL, row.get("page_url")),
        )
        by_url = any(stones.has(kind, address_key(url)) for kind, url in addresses if url)
        by_place = any(map(stones.has_place, urls))
        by_digest = stones.has(SHA256, row.get("sha256")) or stones.has(MD5, row.get("md5"))
        if by_url or by_place or by_digest or stones.alike(row) is not None:
            yield Finding("tombstoned", "was taken out before")

    def _examples(self, row: Mapping[str, Any]) -> Iterator[Finding]:
        if not (self.example_hashes or self.example_digests):
            return
        digest = row.get("sha256")
        same_file = bool(digest) and digest in self.example_digests
        hashes = [bytes.fromhex(row[name]) for name in PDQ_COLUMNS if row.get(name)]
        if same_file or any(map(self._is_example, hashes)):
            yield Finding("example", "the picture of an example")

    def _is_example(self, pdq: bytes) -> bool:
        if not self.example_hashes:
            return False
        (differing_bits,) = nearest(as_hashes([pdq]), as_hashes(self.example_hashes))
        return int(differing_bits) <= ALIKE

    def _opted_out(self, row: Mapping[str, Any], urls: Sequence[str]) -> Iterator[Finding]:
        if self.opted_out is None:
            return
        kinds = {self.opted_out.match_url(url) for url in urls}
        for kind in sorted(kind for kind in kinds if kind):
            yield Finding("opt_out", f"its {kind} is on a registry")
        if self.opted_out.match_picture(row.get("md5"), row.get("sha256")):
            yield Finding("opt_out", "its picture is on a registry")

    def _personal(
        self, row: Mapping[str, Any], urls: Sequence[str], looks: Looks
    ) -> Iterator[Finding]:
        kinds: set[str] = set()
        if looks.personal:
            kinds |= {span.kind for span in personal_spans(row.get("TEXT") or "")}
        for url in urls if looks.urls else ():
            kinds |= {f"{kind} in a URL" for kind in kinds_in_url(url)}
        for kind in sorted(kinds):
            yield Finding("personal_data", kind)
        if self.second is not None:
            for kind in sorted(self.second(row.get("TEXT") or "")):
                yield Finding("second_detector", f"{kind} by Presidio")

    def _medical(
        self, row: Mapping[str, Any], score: float | None, looks: Looks
    ) -> Iterator[Finding]:
        if looks.medical:
            found = self.medical.found(row.get("TEXT") or "", row.get("LANGUAGE") or "")
            if found:
                yield Finding("medical_words", found)
        if score is None:
            score = row.get("medical_picture_score")
        if score is not None and score >= MIN_PICTURE_SCORE:
            yield Finding("medical_picture", f"{score:.2f} of the prompts")


def _tags(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the tags of a row, those that are private included where they were read."""
    yield from row.get("tags") or ()
    yield from row.get("private_tags") or ()


def _children(row: Mapping[str, Any], urls: Sequence[str], looks: Looks) -> Iterator[Finding]:
    """Signs of a child in the caption; two kinds of evidence are what the rule `children` drops."""
    caption = row.get("TEXT") or ""
    signs: tuple[str, ...] = ()
    if looks.children:
        signs = make_child_judge().judge(caption, row.get("LANGUAGE") or "").clear
    if not signs and not row.get("face_count"):
        return  # cues alone are one kind, and take as long as all else
    cues = find_cues(urls, caption).clear
    kinds = [bool(signs), bool(cues), bool(row.get("face_count"))]
    if (signs or cues) and sum(kinds) > 1:
        what = ", ".join((*signs, *cues))
        yield Finding("child", f"{what} and {row.get('face_count') or 0} face(s)")
    elif signs:
        yield Finding("child_words", ", ".join(signs))


def _has_provenance(row: Mapping[str, Any]) -> bool:
    # Pairs that were read without a page say so; they have nothing to lack.
    if row.get("page_source", "warc") == WITHOUT_PAGE:
        return True
    return bool(row.get("page_url") and row.get("crawl_time"))

"""Turns pages and links into pairs.

LAION's rules on URL and caption are applied here, the language of the caption is found, and page
detectors run. Nothing here imports Beam: costly pages are extracted in a process that is restarted
whenever a page kills it, and Beam takes a second to load.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from filters.detector import Detector, Observe
from filters.observe import load_all
from filters.registry import evidence_columns
from pairsieve.attempt import Failure, attempt
from pairsieve.images.processes import Crashed, GuardedFunction, Limits
from pairsieve.records.link import Link
from pairsieve.records.outcome import Counted, Noted, Rejection
from pairsieve.records.page import Page
from pairsieve.records.pair import Evidence, Pair, evidence_of_image, key_of
from pairsieve.storage.files import public_name
from pairsieve.web.cost import PageTooCostly, is_costly
from pairsieve.web.html import (
    ALT_ALONE,
    TOO_LONG,
    CaptionSource,
    ImageElement,
    ImageRule,
    ParsedPage,
    parse_page,
)
from pairsieve.web.language import FindLanguage, LanguageSettings, find_detector, language_of
from pairsieve.web.text import CaptionSettings, caption_problem, clean_caption, is_hopeless
from pairsieve.web.urls import (
    MAX_REFERENCE_CHARS,
    UrlProblem,
    UrlSettings,
    absolute,
    canonical,
    has_credentials,
    url_checker,
)

# Captions that a worker caches, and how long a cached one may be: 16 MB at most.
CACHED_CAPTIONS, CACHED_CAPTION_CHARS = 1 << 14, 1000


@dataclass(frozen=True)
class ExtractSettings:
    """What makes an image element a pair. `captions` are tried in their order."""

    images: ImageRule
    caption: CaptionSettings
    url: UrlSettings
    language: LanguageSettings
    captions: tuple[CaptionSource, ...] = ALT_ALONE


@dataclass(frozen=True, slots=True)
class Caption:
    """A cleaned text of an image with its language. `problem` says why it is rejected, if it is."""

    text: str
    problem: str | None
    language: str = ""
    subset: str = ""


WordedBy = tuple[CaptionSource, Caption]
"""Where the words of an image stood, and its caption."""
Work = Callable[[Any], Iterable[Any]]
ReadCaption = Callable[[str], Caption]


@dataclass(frozen=True, slots=True)
class Extractor:
    """Extracts pages and links, with settings and detectors ready on a worker.

    `no_evidence` is the page evidence of a link, whose page nobody has read: None in each column.
    """

    images: ImageRule
    captions: tuple[CaptionSource, ...]
    url_problem: UrlProblem
    caption_of: ReadCaption
    observe: Observe
    no_evidence: Evidence

    def __call__(self, item: Page | Link) -> Iterator[Pair | Rejection | Counted | Noted]:
        if isinstance(item, Page):
            return extract_page(item, self)
        return extract_link(item, self)


def caption_reader(settings: CaptionSettings, find: FindLanguage) -> ReadCaption:
    """The function that cleans an alt text and finds its language.

    Results are cached, except those of very long texts.
    """

    def read(alt: str) -> Caption:
        if is_hopeless(alt, settings):
            return Caption("", "caption_too_long")
        text = clean_caption(alt)
        problem = caption_problem(text, settings)
        if problem:
            return Caption(text, problem)
        language = language_of(text, find)
        return Caption(text, None, language.code, language.subset)

    read_cached = lru_cache(CACHED_CAPTIONS)(read)

    def read_caption(alt: str) -> Caption:
        return read_cached(alt) if len(alt) <= CACHED_CAPTION_CHARS else read(alt)

    return read_caption


def extract_page(page: Page, extractor: Extractor) -> Iterator[Pair | Rejection | Counted | Noted]:
    """Yield the pairs of a page, the counts of its images, and last the count of the page.

    Images without words become no pairs and are not counted as images; their number is noted.

    Of images with the same URL and caption the first is kept: galleries repeat theirs.
    """
    # The crawler had a password for this page. So it is not public, and its URL must not be stored.
    if has_credentials(page.url):
        yield Rejection("page", "url_credentials")
        return
    if len(page.url) > MAX_REFERENCE_CHARS:
        yield Rejection("page", "url_too_long")
        return
    try:
        parsed = parse_page(page, extractor.images, extractor.captions)
        found = _images_of_page(parsed, extractor)
        # Evidence costs more than everything else here, and only pairs carry it.
        evidence = extractor.observe(parsed) if found.kept else {}
    # MemoryError: the process of costly pages has reached its limit.
    except (PageTooCostly, MemoryError):
        yield Rejection("page", TOO_COSTLY, "quarantined", _where(page))
        return
    for image, url, worded in found.kept:
        image_evidence = evidence_of_image(evidence, image.position)
        yield _page_pair(url, image, worded, page, image_evidence)
    kept_from = Counter(source for _, _, (source, _) in found.kept)
    for reason, number in found.rejected.items():
        if number:
            yield Rejection("image", reason, number=number)
    yield from _notes_on_captions(kept_from, parsed.wordless, extractor)
    yield Counted("image", "in", found.number)
    yield Counted("page", "kept")


@dataclass(slots=True)
class FoundImages:
    """The images of a page: those that become pairs, with URL and caption; how many of the others
    there are by reason; and how many there are in all.
    """

    kept: list[tuple[ImageElement, str, WordedBy]]
    rejected: Counter[str]
    number: int


def _images_of_page(parsed: ParsedPage, extractor: Extractor) -> FoundImages:
    """Apply the rules on URL and caption to the images of a page. Raises PageTooCostly."""
    found = FoundImages([], Counter(), 0)
    rejected = found.rejected
    known: set[tuple[str, str]] = set()
    for image in parsed.images:
        found.number += image.times
        problem = _url_problem(image.url, extractor)
        if image.url is None or problem:
            rejected[problem or ""] += image.times
            continue
        # After the URL, because the language of a caption takes longest.
        source, caption = _best_caption(image, extractor)
        if caption.problem:
            rejected[caption.problem] += image.times
            continue
        identity = (canonical(image.url), caption.text)
        if identity in known:
            rejected["duplicate"] += image.times
            continue
        known.add(identity)
        found.kept.append((image, image.url, (source, caption)))
        rejected["duplicate"] += image.times - 1  # the parser counts identical elements
    return found


def _notes_on_captions(
    kept_from: Counter[CaptionSource], wordless: int, extractor: Extractor
) -> Iterator[Noted]:
    """Where the captions of kept pairs stood, and how many images had none."""
    if extractor.captions != ALT_ALONE:
        for source, number in kept_from.items():
            yield Noted("image", f"caption_from_{source.replace('-', '_')}", number)
    if wordless:
        yield Noted("image", "without_words", wordless)


def _best_caption(image: ImageElement, extractor: Extractor) -> WordedBy:
    """The first caption that is taken, and where it stands; else the first that is not empty."""
    if len(image.texts) == 1:
        return extractor.captions[0], extractor.caption_of(image.texts[0])
    captions = [extractor.caption_of(text) for text in image.texts]
    tried = list(zip(extractor.captions, captions, strict=True))
    for is_good in (lambda caption: caption.problem is None, lambda caption: caption.text):
        for source, caption in tried:
            if is_good(caption):
                return source, caption
    return tried[0]


def _where(page: Page) -> str:
    """The record of a page, for the list of problems."""
    return f"{public_name(page.origin.warc_file)}@{page.origin.record_offset}"


def _url_problem(url: str | None, extractor: Extractor) -> str | None:
    """Why a URL is rejected; None if it is not."""
    if url is None:
        return "url_invalid"
    if url == TOO_LONG:
        return "url_too_long"
    return extractor.url_problem(url)


def _page_pair(
    url: str,
    element: ImageElement,
    worded: WordedBy,
    page: Page,
    evidence: Evidence,
) -> Pair:
    origin, (source, caption) = page.origin, worded
    return Pair(
        key=key_of(url, caption.text),
        url=url,
        caption=caption.text,
        subset=caption.subset,
        language=caption.language,
        page_url=page.url,
        warc_file=origin.warc_file,
        record_offset=origin.record_offset,
        payload_digest=origin.payload_digest,
        crawl_time=origin.crawl_time,
        position=element.position,
        evidence=evidence,
        image_attribute=element.attribute,
        caption_source=source,
        record_id=origin.record_id,
        page_source=page.source,
    )


def extract_link(link: Link, extractor: Extractor) -> Iterator[Pair | Rejection | Counted]:
    """Yield the pair of a link that somebody else collected.

    The rules on URL and caption are the same. There is no page evidence, because there is no page.
    """
    yield Counted("image", "in")
    url = absolute(link.url, "") if len(link.url) <= MAX_REFERENCE_CHARS else TOO_LONG
    caption = extractor.caption_of(link.caption)
    problem = _url_problem(url, extractor) or caption.problem
    if url is None or problem:
        yield Rejection("image", problem or "")
        return
    yield Pair(
        key=key_of(url, caption.text),
        url=url,
        caption=caption.text,
        subset=caption.subset,
        language=caption.language,
        page_url="",
        # File and row stand for the place of a record, by which the first of several pairs is
        # chosen.
        warc_file=link.file,
        record_offset=link.row,
        payload_digest="",
        crawl_time="",
        position=0,
        evidence=extractor.no_evidence,
        image_attribute="",
        caption_source="",
        record_id=link.row_id,
        page_source="none",
    )


# What one page may take in the process of costly pages: a thousand times the processor time of an
# ordinary page, and the memory that a worker has for a page.
PAGE_LIMITS = Limits(cpu_s=1.0, grown_bytes=500_000_000)
TOO_COSTLY = "page_too_costly"


class GuardedExtractor:
    """Extracts pages and links so that none can kill the worker, or hold it for long.

    Whether a page may be costly is estimated from its payload (pairsieve/web/cost.py). A costly one
    is extracted in a process that may be killed, all others in this one. A page or link that raises
    an error, or kills the process, is quarantined.
    """

    def __init__(self, settings: ExtractSettings, detectors: Sequence[Detector]) -> None:
        self._extract = make_extractor(settings, detectors)
        self._guarded = GuardedFunction(_extract_all, (settings, tuple(detectors)), PAGE_LIMITS)

    def __call__(self, item: Page | Link) -> list[Any]:
        if isinstance(item, Page) and is_costly(item.payload):
            # The other process has its own network guard. The guard of `attempt` must be off here,
            # since it would not let that process start.
            results = attempt(self._guarded, item, reads_storage=True)
        else:
            results = attempt(self._extract_here, item)
        if isinstance(results, Crashed):
            return _quarantined(item, TOO_COSTLY)
        if isinstance(results, Failure):
            return _quarantined(item, results.reason)
        return results

    def _extract_here(self, item: Page | Link) -> list[Any]:
        # As a list, so that an item which fails in the middle yields nothing at all.
        return list(self._extract(item))

    def close(self) -> None:
        """End the process of costly pages, if it was started."""
        self._guarded.close()


def _quarantined(item: Page | Link, reason: str) -> list[Counted | Rejection]:
    if isinstance(item, Page):
        # The reader has counted the page already.
        return [Rejection("page", reason, "quarantined", _where(item))]
    where = f"{public_name(item.file)}@{item.row}"
    return [Counted("image", "in"), Rejection("image", reason, "quarantined", where)]


def _extract_all(
    settings: ExtractSettings, detectors: Sequence[Detector]
) -> Callable[[Page], list[Any]]:
    """The function that runs in the process of costly pages."""
    extract = make_extractor(settings, detectors)
    return lambda page: list(extract(page))


def make_extractor(settings: ExtractSettings, detectors: Sequence[Detector]) -> Work:
    """The function that extracts one page or link, with its detectors loaded."""
    find = find_detector(settings.language.detector)(settings.language)
    return Extractor(
        images=settings.images,
        captions=settings.captions,
        url_problem=url_checker(settings.url),
        caption_of=caption_reader(settings.caption, find),
        observe=load_all(detectors),
        no_evidence=dict.fromkeys(evidence_columns(detectors)),
    )

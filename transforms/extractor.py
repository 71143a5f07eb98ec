"""Pages and links to pairs: LAION's rules on URL and caption, the language, and what page detectors
see.

Nothing here knows Beam: the process that extracts costly pages is started anew whenever one kills
it, and Beam takes a second to load.
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
from pairsieve.images.processes import Crashed, Elsewhere, Limits
from pairsieve.records.link import Link
from pairsieve.records.outcome import Counted, Rejection
from pairsieve.records.page import Page
from pairsieve.records.pair import Evidence, Pair, evidence_of_image, key_of
from pairsieve.storage.files import public_name
from pairsieve.web.cost import is_costly
from pairsieve.web.html import TOO_LONG, ImageElement, ImageRule, PageTooCostly, parse_page
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

KNOWN_CAPTIONS, KNOWN_CAPTION_CHARS = 1 << 14, 1000  # what a worker remembers: 16 MB at most


@dataclass(frozen=True)
class ExtractSettings:
    """What makes an image element a pair."""

    images: ImageRule
    caption: CaptionSettings
    url: UrlSettings
    language: LanguageSettings


@dataclass(frozen=True, slots=True)
class Caption:
    """An alt text, cleaned, with its language, or with the reason why it is not taken."""

    text: str
    problem: str | None
    language: str = ""
    subset: str = ""


Work = Callable[[Any], Iterable[Any]]
ReadCaption = Callable[[str], Caption]


@dataclass(frozen=True, slots=True)
class Extractor:
    """Settings and detectors, made ready on a worker."""

    images: ImageRule
    url_problem: UrlProblem
    caption_of: ReadCaption
    observe: Observe
    unseen: Evidence

    def __call__(self, found: Page | Link) -> Iterator[Pair | Rejection | Counted]:
        return extract_page(found, self) if isinstance(found, Page) else extract_link(found, self)


def caption_reader(settings: CaptionSettings, find: FindLanguage) -> ReadCaption:
    """The function that cleans an alt text and finds its language, once for each distinct text that
    is not very long.
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

    remembered = lru_cache(KNOWN_CAPTIONS)(read)
    return lambda alt: remembered(alt) if len(alt) <= KNOWN_CAPTION_CHARS else read(alt)


def extract_page(page: Page, extractor: Extractor) -> Iterator[Pair | Rejection | Counted]:
    """The pairs of a page, its images counted; last the page itself.

    Of images that say the same the first is taken: galleries repeat theirs.
    """
    # whoever crawled it had a password: it is not public, and its address must not be stored
    if has_credentials(page.url):
        yield Rejection("page", "url_credentials")
        return
    if len(page.url) > MAX_REFERENCE_CHARS:
        yield Rejection("page", "url_too_long")
        return
    try:
        parsed = parse_page(page, extractor.images)
        evidence, images = extractor.observe(parsed), parsed.images
    except (PageTooCostly, MemoryError):
        yield Rejection("page", TOO_COSTLY, "quarantined", _where(page))
        return
    rejected: Counter[str] = Counter()
    taken: set[tuple[str, str]] = set()
    for image in images:
        caption = extractor.caption_of(image.alt)
        problem = _url_problem(image.url, extractor) or caption.problem
        if image.url is None or problem:
            rejected[problem or ""] += image.times
        elif (identity := (canonical(image.url), caption.text)) in taken:
            rejected["duplicate"] += image.times
        else:
            taken.add(identity)
            rejected["duplicate"] += image.times - 1
            yield _pair(
                image.url, image, caption, page, evidence_of_image(evidence, image.position)
            )
    yield from (
        Rejection("image", reason, number=number) for reason, number in rejected.items() if number
    )
    yield Counted("image", "in", sum(image.times for image in images))
    yield Counted("page", "kept")


def _where(page: Page) -> str:
    return f"{public_name(page.origin.warc_file)}@{page.origin.record_offset}"


def _url_problem(url: str | None, extractor: Extractor) -> str | None:
    if url is None:
        return "url_invalid"
    return "url_too_long" if url == TOO_LONG else extractor.url_problem(url)


def _pair(
    url: str, element: ImageElement, caption: Caption, page: Page, evidence: Evidence
) -> Pair:
    origin = page.origin
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
        record_id=origin.record_id,
        page_source=page.source,
    )


def extract_link(link: Link, extractor: Extractor) -> Iterator[Pair | Rejection | Counted]:
    """The pair of a link that somebody else collected: the same rules, and no page evidence, since
    no page was seen.
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
        warc_file=link.file,
        record_offset=link.row,
        payload_digest="",
        crawl_time="",
        position=0,
        evidence=extractor.unseen,
        image_attribute="",
        record_id=link.row_id,
        page_source="none",
    )


# A page that parses slowly is extracted in a process that is killed after so much of the
# processor's time: a thousand times what an ordinary page takes. Its memory is what a worker has
# for a page.
PAGE_LIMITS = Limits(cpu_s=1.0, grown_bytes=500_000_000)
TOO_COSTLY = "page_too_costly"


class GuardedExtractor:
    """Extracts what comes, so that no page or link ends the worker, or holds it for more than some
    seconds.

    A page that is cheap, whatever it holds (pairsieve/web/cost.py), is extracted here, any other in
    a process that may be killed. What is raised over one, and what kills its process, puts it into
    quarantine by name.
    """

    def __init__(self, settings: ExtractSettings, detectors: Sequence[Detector]) -> None:
        self._extract = make_extractor(settings, detectors)
        self._elsewhere = Elsewhere(_extract_all, (settings, tuple(detectors)), PAGE_LIMITS)

    def __call__(self, found: Page | Link) -> list[Any]:
        if isinstance(found, Page) and is_costly(found.payload):
            results = attempt(self._elsewhere, found, reads_storage=True)  # offline in its process
        else:
            results = attempt(lambda one: list(self._extract(one)), found)
        if isinstance(results, Crashed):
            return _quarantined(found, TOO_COSTLY)
        return _quarantined(found, results.reason) if isinstance(results, Failure) else results

    def close(self) -> None:
        """End the process of pages, if one was started."""
        self._elsewhere.close()


def _quarantined(found: Page | Link, reason: str) -> list[Counted | Rejection]:
    """A page has been counted when it was read, a link has not."""
    if isinstance(found, Page):
        return [Rejection("page", reason, "quarantined", _where(found))]
    return [
        Counted("image", "in"),
        Rejection("image", reason, "quarantined", f"{public_name(found.file)}@{found.row}"),
    ]


def _extract_all(
    settings: ExtractSettings, detectors: Sequence[Detector]
) -> Callable[[Page], list[Any]]:
    extract = make_extractor(settings, detectors)
    return lambda page: list(extract(page))


def make_extractor(settings: ExtractSettings, detectors: Sequence[Detector]) -> Work:
    """The function that extracts one page or link, its detectors loaded."""
    find = find_detector(settings.language.detector)(settings.language)
    return Extractor(
        images=settings.images,
        url_problem=url_checker(settings.url),
        caption_of=caption_reader(settings.caption, find),
        observe=load_all(detectors),
        unseen=dict.fromkeys(evidence_columns(detectors)),
    )

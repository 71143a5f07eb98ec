"""Pages to pairs: LAION's rules on URL and caption, the language, and what page detectors see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import apache_beam as beam

from filters.detector import Detector, Observe
from filters.observe import load_all
from records.outcome import Counted, Rejection
from records.page import Page
from records.pair import Evidence, Pair, key_of
from transforms.route import Work, routed
from web.html import ImageElement, ImageRule, image_elements, parse_page
from web.language import LanguageSettings, Subsets
from web.text import CaptionSettings, caption_problem, clean_caption
from web.urls import UrlSettings, url_problem


@dataclass(frozen=True)
class ExtractSettings:
    """What makes an image element a pair."""

    images: ImageRule
    caption: CaptionSettings
    url: UrlSettings
    language: LanguageSettings


def extract_page(page: Page, settings: ExtractSettings, subsets: Subsets, observe: Observe) -> Iterator[Pair | Rejection | Counted]:
    """One Counted "in" for each image element, then its pair or its rejection; last the page itself."""
    parsed = parse_page(page)
    evidence = observe(parsed)
    for element in image_elements(parsed, settings.images):
        yield Counted("image", "in")
        yield _pair(element, page, settings, subsets, evidence)
    yield Counted("page", "kept")


def _pair(element: ImageElement, page: Page, settings: ExtractSettings, subsets: Subsets, evidence: Evidence) -> Pair | Rejection:
    if element.url is None:
        return Rejection("image", "url_invalid")
    caption = clean_caption(element.alt)
    problem = url_problem(element.url, settings.url) or caption_problem(caption, settings.caption)
    if problem:
        return Rejection("image", problem)
    language = subsets.of(caption)
    origin = page.origin
    return Pair(
        key=key_of(element.url, caption),
        url=element.url,
        caption=caption,
        subset=language.subset,
        language=language.code,
        page_url=page.url,
        warc_file=origin.warc_file,
        record_offset=origin.record_offset,
        payload_digest=origin.payload_digest,
        crawl_time=origin.crawl_time,
        position=element.position,
        evidence=evidence,
        image_attribute=element.attribute,
    )


def make_extractor(settings: ExtractSettings, detectors: Sequence[Detector]) -> Work:
    """The function that extracts one page, its detectors loaded."""
    return partial(extract_page, settings=settings, subsets=Subsets(settings.language), observe=load_all(detectors))


@dataclass
class ExtractPairs(beam.PTransform):  # type: ignore[misc]
    """Pages -> pairs; a page on which a detector raises is quarantined whole. Side outputs "tally", "problems"."""

    settings: ExtractSettings
    detectors: Sequence[Detector]

    def expand(self, pages: beam.PCollection) -> beam.DoOutputsTuple:
        return pages | routed(partial(make_extractor, self.settings, self.detectors), unit="page")

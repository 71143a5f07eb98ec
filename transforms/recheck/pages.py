"""Reads the pages of a newer crawl, and keeps what each of them reserves now.

The functions are those of extract: a page is parsed and looked at as it was when its pairs were
made. No request is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam
import pyarrow as pa

from filters.observe import load_all
from filters.rights.rights import PageRights, Rights
from filters.verdict import judge
from pairsieve.attempt import Failure, attempt
from pairsieve.images.processes import Crashed, GuardedFunction
from pairsieve.records.outcome import Counted, Rejection, Tally
from pairsieve.records.page import Location, Page
from pairsieve.storage import parts
from pairsieve.storage.job_end import GroupKey, GroupResult
from pairsieve.web.cost import is_costly
from pairsieve.web.html import ALT_ALONE, ImageRule, parse_page
from pairsieve.web.places import address_key
from pairsieve.web.urls import has_credentials, url_id
from transforms.extractor import PAGE_LIMITS, TOO_COSTLY
from transforms.plumbing.counting import COUNTS_KEY, Counts, Work, counting
from transforms.plumbing.listing import EveryGroup
from transforms.plumbing.own import kind_of_group, on_own

PAGE_SCHEMA = pa.schema(
    [("page_id", pa.binary(16)), ("crawl_time", pa.string()), ("no", pa.string())]
)
"""Parts of pages that refuse: `page_id` is `url_id` of the address, `no` the reason."""

PAGES, PAGE_BUCKETS = "pages", 64
"""Groups of pages in the shuffle. Each becomes one part, or none where no page of it refuses."""

PAGE_KEYS: list[GroupKey] = [(PAGES, bucket) for bucket in range(PAGE_BUCKETS)]

Cells = tuple[bytes, str, str] | tuple[()]
"""A SeenPage as it passes the shuffle."""


@dataclass(frozen=True, slots=True)
class SeenPage:
    """What a page said when it was crawled; `no` is the reason of its refusal, or empty."""

    page_id: bytes
    crawl_time: str
    no: str


@dataclass(frozen=True)
class PageJudge:
    """Judges pages by the dataset's rule `rights`, so that none can kill the worker."""

    judge_here: Callable[[Page], str]
    guarded: GuardedFunction[Page, str]

    def __call__(self, item: Page | Location) -> Iterator[SeenPage | Counted | Rejection]:
        """Yield what a page says. Locations of files say nothing, and are left out."""
        if not isinstance(item, Page) or has_credentials(item.url):
            return
        if is_costly(item.payload):
            # The other process has its own network guard, so none is needed here.
            no = attempt(self.guarded, item, reads_storage=True)
        else:
            no = attempt(self.judge_here, item)
        if isinstance(no, Crashed | Failure):
            # What cannot be read says nothing new of a row that is published already.
            reason = TOO_COSTLY if isinstance(no, Crashed) else no.reason
            yield Rejection("page", reason, "quarantined")
            return
        yield SeenPage(url_id(address_key(item.url)), item.origin.crawl_time, no)
        yield Rejection("page", no) if no else Counted("page", "kept")


def page_judge(rights: Rights) -> Callable[[Page], str]:
    """The function that gives the reason for which a page refuses its pictures, or an empty text.

    Whether a refusal of indexing counts is up to the profile of the dataset's own rule.
    """
    observe = load_all([PageRights()])
    images: ImageRule = "plain"

    def reason_of(page: Page) -> str:
        found = observe(parse_page(page, images, ALT_ALONE))
        drop = judge([rights], {"page_rights_signals": found["page_rights_signals"]}).drop
        return drop.decision.reason if drop else ""

    return reason_of


def make_judge(rights: Rights) -> Work:
    """The function that judges one page, with its process for costly ones."""
    return PageJudge(page_judge(rights), GuardedFunction(page_judge, (rights,), PAGE_LIMITS))


def newest(pages: Iterable[SeenPage]) -> list[SeenPage]:
    """The newest capture of each page; of two at the same time, the one that refuses."""
    by_id: dict[bytes, SeenPage] = {}
    for page in pages:
        other = by_id.get(page.page_id)
        if other is None or (page.crawl_time, page.no) > (other.crawl_time, other.no):
            by_id[page.page_id] = page
    return [by_id[page_id] for page_id in sorted(by_id)]


def write_refusing(group: tuple[GroupKey, Iterable[Cells]], folder: str) -> GroupResult:
    """Write the pages of a group that refuse in their newest capture, if there are any."""
    key, all_cells = group
    _, number = key
    # One element of each group is empty.
    seen = (SeenPage(*cells) for cells in all_cells if cells)
    pages = [page for page in newest(seen) if page.no]
    if pages:
        rows = [{"page_id": p.page_id, "crawl_time": p.crawl_time, "no": p.no} for p in pages]
        table = pa.Table.from_pylist(rows, PAGE_SCHEMA)
        parts.write_part(folder, parts.part_name(number, 0), table, Tally())
    return GroupResult(key)


@dataclass
class JudgePages(beam.PTransform):  # type: ignore[misc]
    """Pages -> parts of those that refuse, in `folder`, and GroupResult. Groups of counts pass.

    One shuffle, about 50 bytes a page: several captures of a page meet in it.
    """

    rights: Rights
    folder: str

    def expand(self, pages: beam.PCollection) -> beam.PCollection:
        judged = pages | "Judge" >> counting(partial(make_judge, self.rights))
        keyed = judged | "By page" >> beam.FlatMap(_keyed)
        grouped = keyed | "Group pages" >> beam.GroupByKey()
        write = partial(write_refusing, folder=self.folder)
        return grouped | "Write pages" >> on_own(_are_pages, write)


def _keyed(element: SeenPage | Counts | EveryGroup) -> Iterator[tuple[GroupKey, Any]]:
    if isinstance(element, Counts):
        yield COUNTS_KEY, element
    elif isinstance(element, EveryGroup):
        yield COUNTS_KEY, Counts()
        for key in PAGE_KEYS:
            yield key, ()
    else:
        bucket = int.from_bytes(element.page_id[:4], "big") % PAGE_BUCKETS
        yield (PAGES, bucket), (element.page_id, element.crawl_time, element.no)


def _are_pages(element: Any) -> bool:
    return kind_of_group(element) == PAGES


def read_refusing(folder: str) -> dict[bytes, tuple[str, str]]:
    """Id of each page that refuses -> when it was crawled, and the reason. Raises Damaged."""
    pages = {}
    for name in parts.part_names(folder):
        for row in parts.read_part(folder, name).to_pylist():
            pages[row["page_id"]] = (row["crawl_time"], row["no"])
    return pages

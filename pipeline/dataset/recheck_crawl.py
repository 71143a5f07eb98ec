"""Take out rows whose page refuses in a newer crawl. No request is made.

A page that the crawl does not have says nothing. A capture that is older than the row's own says
nothing either: the row was made after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from filters.rights.rights import Rights
from pairsieve.erasure.requests import Request
from pairsieve.recheck.result import RecheckResult
from pairsieve.records.outcome import Tally, balance
from pairsieve.storage import files
from pairsieve.storage.job_end import PROBLEMS_FILE, read_tally, write_result
from pairsieve.storage.shards import shard_paths
from pairsieve.warc.reader import ReadSettings
from pairsieve.web.answer import now_utc
from pairsieve.web.places import address_key
from pairsieve.web.urls import url_id
from pipeline.config import ExtractConfig, InputConfig
from pipeline.dataset.manifest import read_manifest
from pipeline.dataset.recheck_commit import Out, RecheckPlace, check_gone, commit, find_rows
from pipeline.dataset.writer import alone_in, only_writer
from pipeline.orchestrate.check_inputs import check_inputs
from pipeline.orchestrate.engine import Engine
from pipeline.orchestrate.erase_job import EraseJobs

PAGES = "pages"
PAGE_RESERVED = "page_reserved"

Refusing = Mapping[bytes, tuple[str, str]]
"""Id of a page that refuses -> when it was crawled, and why."""


@dataclass(frozen=True)
class NewerCrawl:
    """The files of a newer crawl, and how they are read."""

    input: InputConfig
    paths: tuple[str, ...]


@dataclass(frozen=True)
class CrawlLookup:
    """The pages of a newer crawl: how many were read, how many refuse, and what follows from it."""

    result: RecheckResult
    pages: int
    refusing: int
    committed: bool


def recheck_crawl(
    place: RecheckPlace,
    crawl: NewerCrawl,
    rights: Rights,
    engine: Engine,
    dry_run: bool = False,
) -> CrawlLookup:
    """Read a newer crawl, and take out rows whose page refuses in it.

    Raises InUse, NoSuchDataset, TooMuchUnreadable, ErasureIncomplete, JobFailed, Damaged, BadFeed.
    """
    from transforms.recheck.pages import read_refusing

    files.make_private_folder(place.folder)
    with alone_in(place.folder):
        folder = place.path(PAGES)
        tally = _read_crawl(place, crawl, rights, engine)
        check_inputs(tally, crawl.input, files.join(folder, PROBLEMS_FILE))
        refusing = read_refusing(folder)
        why = partial(_why_out, refusing=refusing)
        with only_writer(place.dataset) as lock:
            taken_out = find_rows(place, why)
            manifest = read_manifest(place.dataset)
            result = RecheckResult(
                round=0,
                day=now_utc()[:10],
                version=taken_out.next_version,
                links=sum(manifest.by_path[path].rows for path in shard_paths(manifest)),
                taken_out=dict(taken_out.reasons),
                crawled=True,
            )
            if not dry_run:
                commit(place, taken_out, result, lock, EraseJobs(engine))
                check_gone(place, why)
        files.remove_tree(folder)
    pages = balance(tally, "page")
    judged = pages.kept + sum(pages.dropped.values())
    return CrawlLookup(result, judged, len(refusing), not dry_run)


def _read_crawl(place: RecheckPlace, crawl: NewerCrawl, rights: Rights, engine: Engine) -> Tally:
    from pipeline import recheck_flow
    from transforms.read import InputSettings

    folder = place.path(PAGES)
    files.remove_tree(folder)
    job = recheck_flow.PagesJob(
        inputs=crawl.paths,
        # Each file by one worker: a split may begin inside a record, and would be read again.
        input=InputSettings(crawl.input.kind),
        read=ReadSettings(ExtractConfig.max_page_bytes, locate=False, options=crawl.input.options),
        rights=rights,
        folder=folder,
    )
    engine.prepare()
    engine.run(partial(recheck_flow.pages, job=job), f"recheck-{place.name}/pages")
    write_result(folder, job.groups, PROBLEMS_FILE)
    return read_tally(folder)


def _why_out(row: Mapping[str, str], refusing: Refusing) -> Out | None:
    """Why a row goes out by what its page says now; None where it stays."""
    page_url = row["page_url"]
    found = refusing.get(url_id(address_key(page_url))) if page_url else None
    if found is None:
        return None
    crawl_time, _ = found
    # ISO 8601 in UTC sorts by time.
    if crawl_time < row["crawl_time"]:
        return None
    return Out(PAGE_RESERVED, Request("page_url", (page_url,)))

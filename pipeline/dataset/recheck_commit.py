"""Takes out of a dataset what a recheck has found, and writes its numbers into card and report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa

from pairsieve.erasure.requests import Request
from pairsieve.recheck.result import RECHECK, RecheckResult, recheck_text
from pairsieve.records.manifest import MANIFEST
from pairsieve.storage import files
from pairsieve.storage.lock import Lock
from pairsieve.web.urls import url_id
from pipeline.dataset.audit_rows import keep_installed
from pipeline.dataset.erasure import check_none_left, take_out
from pipeline.dataset.facts import read_rechecks
from pipeline.dataset.found_rows import Findings, rows_where
from pipeline.dataset.manifest import read_manifest
from pipeline.dataset.next_version import Beside
from pipeline.orchestrate.erase_job import EraseJobs

RECHECKS = "recheck"
"""The folder of rechecks in a work directory."""
GOING = "going"
"""In the folder of a dataset's rechecks: the rows that are to go, by shard."""
ROW_COLUMNS = ("URL", "sha256", "fetched_at", "page_url", "crawl_time")


@dataclass(frozen=True)
class RecheckPlace:
    """A dataset, the work directory for what is known of its links, and its tombstones."""

    dataset: str
    work: str
    tombstones: str

    @cached_property
    def name(self) -> str:
        """The name of the dataset."""
        return read_manifest(self.dataset).name or files.public_name(self.dataset.rstrip("/"))

    @cached_property
    def folder(self) -> str:
        """The private folder of this dataset's rechecks."""
        return files.join(self.work, RECHECKS, url_id(self.name).hex()[:16])

    def path(self, *names: str) -> str:
        """A path in that folder."""
        return files.join(self.folder, *names)


@dataclass(frozen=True)
class Out:
    """Why a row goes out, and the place that later runs leave out."""

    reason: str
    place: Request


WhyOut = Callable[[Mapping[str, str]], Out | None]
"""ROW_COLUMNS of a row (empty where the dataset has none) -> why it goes out; None if it stays."""


@dataclass
class TakenOut:
    """Which rows are to go, why (reason -> rows), and which places later runs leave out."""

    findings: Findings
    reasons: Counter[str] = field(default_factory=Counter)
    stay_out: dict[Request, None] = field(default_factory=dict)

    @property
    def next_version(self) -> int:
        """The version of the dataset without the rows."""
        return self.findings.version + bool(self.findings.number)


def find_rows(place: RecheckPlace, why_out: WhyOut) -> TakenOut:
    """The rows that go out. The caller is alone in the recheck's folder. Raises NoSuchDataset."""
    reasons, stay_out = Counter[str](), dict[Request, None]()

    def choose(table: pa.Table) -> list[int]:
        names = [name for name in ROW_COLUMNS if name in table.column_names]
        rows = []
        for number, cells in enumerate(table.select(names).to_pylist()):
            row = {name: cells.get(name) or "" for name in ROW_COLUMNS}
            out = why_out(row)
            if out is not None:
                rows.append(number)
                reasons[out.reason] += 1
                stay_out[out.place] = None
        return rows

    findings = rows_where(place.dataset, ROW_COLUMNS, choose, place.path(GOING))
    return TakenOut(findings, reasons, stay_out)


def commit(
    place: RecheckPlace, taken_out: TakenOut, result: RecheckResult, lock: Lock, jobs: EraseJobs
) -> None:
    """Put the next version in place, with the numbers of the recheck. The caller holds the lock.

    Raises NoSuchDataset, NoTombstones, BadFeed, InUse, JobFailed.
    """
    dataset = place.dataset
    manifest = read_manifest(dataset)
    before = files.read_text(files.join(dataset, MANIFEST))
    # A recheck that was cut off after its commit comes here again.
    earlier = [each for each in read_rechecks(dataset, manifest) if not _is_same(each, result)]
    was_committed = len(earlier) < len(read_rechecks(dataset, manifest))
    if was_committed and not taken_out.findings.number:
        return
    text = recheck_text([*earlier, result]).encode()
    beside = Beside({RECHECK: text}, {"recheck": dict(taken_out.reasons)})
    stay_out = list(taken_out.stay_out)
    take_out(dataset, taken_out.findings, stay_out, place.tombstones, beside, lock, jobs)
    # What it holds of the rows is of no more use.
    files.remove_tree(place.path(GOING))
    if not taken_out.findings.number:
        # The rows are those of the run: it has nothing to put in place again.
        keep_installed(dataset, place.work, before)


def _is_same(left: RecheckResult, right: RecheckResult) -> bool:
    """Whether two results are of one recheck. Looking up a crawl has no round, and is done anew."""
    return not left.crawled and (left.round, left.day) == (right.round, right.day)


def check_gone(place: RecheckPlace, why_out: WhyOut) -> None:
    """Search again. Raises ErasureIncomplete where a row is left."""
    check_none_left(find_rows(place, why_out).findings)

"""Ask the links of a published dataset again, and take out what must not stay.

A recheck is a round of steps. Each can be cut off, and the same command goes on from there:

1. Links that have their turn are chosen, in parts (a job).
2. They are asked, part by part (a job). What is in a part is not asked again.
3. What was seen becomes what is known of each link, bucket by bucket. Doing it again changes
   nothing.
4. The rule decides on what is known, and the rows go out by the commit of an erasure.
5. The round is closed: its parts are removed.

With a dry run the round stays open after step 3. The next command takes it up there.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from pairsieve.erasure.requests import Request
from pairsieve.recheck.links import (
    Link,
    SeenLink,
    merged,
    read_links,
    readable_sha256,
    seen_in,
    write_links,
)
from pairsieve.recheck.result import RecheckResult, by_age, count_by_age
from pairsieve.recheck.rule import PublishedRow, RecheckRule
from pairsieve.storage import files, parts
from pairsieve.storage.lock import Lock
from pairsieve.storage.shards import shard_paths
from pairsieve.web.answer import now_utc
from pairsieve.web.urls import url_id
from pipeline.dataset.manifest import NoSuchDataset, read_manifest
from pipeline.dataset.recheck_commit import (
    Out,
    RecheckPlace,
    check_gone,
    commit,
    find_rows,
)
from pipeline.dataset.recheck_settings import Asking
from pipeline.dataset.writer import alone_in, only_writer
from pipeline.monitoring.progress import Watch, reporting
from pipeline.orchestrate.engine import Engine, LayOut
from pipeline.orchestrate.erase_job import EraseJobs

if TYPE_CHECKING:
    from transforms.recheck.choose import Chosen

LOGGER = logging.getLogger(__name__)
LINKS, ROUND, ASKED, SEEN, SITES = "links", "round", "asked", "seen", "sites"
ROUND_FILE, CLOSED_FILE, BUCKETS_FILE = "round.json", "closed.json", "buckets.json"
PART_LINKS = 500
"""Links of a part at most: so many are asked again after a crash."""
REQUESTS_PER_LINK = 2
"""A link takes HEAD and GET at most, nearly always; that is what fits into the time."""


@dataclass(frozen=True)
class RecheckSettings:
    """Settings of a recheck: which links are asked, and the rule on the answers.

    `share` of the links have their turn, those that were asked longest ago first; `seed` draws
    among those of one day. Of these, `whole_share` are asked for the whole picture, whatever their
    headers say. Nothing is asked when `hours` have passed.
    """

    rule: RecheckRule
    share: float = 1.0
    seed: int = 0
    whole_share: float = 0.01
    hours: float = 24.0


@dataclass(frozen=True)
class Round:
    """A recheck that has begun: its number, its time (ISO 8601 UTC), and what it was begun with."""

    number: int
    at: str
    share: float
    seed: int
    links: int
    asked: int
    postponed: int


@dataclass
class SeenCounts:
    """Counts of a round: (age, outcome) -> links, and reasons why links have changed."""

    by_age: Counter[tuple[str, str]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, seen: Sequence[SeenLink], at: str) -> None:
        """Count the links of one part of the round that began `at`."""
        self.by_age.update(count_by_age(seen, at))
        self.reasons.update(each.reason for each in seen if each.outcome != "same")


@dataclass(frozen=True)
class Rechecked:
    """The result of a recheck: its numbers, and whether the rows are gone (`committed`).

    `counted` is reason -> links: why they are not the same.
    """

    result: RecheckResult
    counted: Mapping[str, int]
    committed: bool


@dataclass(frozen=True)
class Recheck:
    """A recheck of the links of a dataset, on an engine."""

    place: RecheckPlace
    settings: RecheckSettings
    asking: Asking
    engine: Engine
    bars: bool = False

    def run(self, dry_run: bool = False) -> Rechecked:
        """Ask, decide, and take out; with `dry_run` nothing is taken out.

        Raises InUse, NoSuchDataset, ErasureIncomplete, JobFailed, Damaged, BadFeed.
        """
        files.make_private_folder(self.place.folder)
        with alone_in(self.place.folder):
            _check_buckets(self.place, self.asking.buckets)
            present = self._round()
            self._ask(present)
            seen = self._merge(present)
            # Only now: asking takes hours, and needs no lock on the dataset.
            with only_writer(self.place.dataset) as lock:
                rechecked = self._decide(present, seen, lock, dry_run)
            if not dry_run:
                self._close(present)
            return rechecked

    def _round(self) -> Round:
        """The round that was cut off, or a new one with its links chosen."""
        path = self.place.path(ROUND, ROUND_FILE)
        if files.exists(path):
            present = Round(**json.loads(files.read_text(path)))
            LOGGER.info(
                "recheck: going on with the round that began at %s, with --share %g --seed %d",
                present.at,
                present.share,
                present.seed,
            )
            return present
        # Whatever is there was cut off before its links were chosen.
        files.remove_tree(self.place.path(ROUND))
        at, number = now_utc(), _closed(self.place) + 1
        settings = self.settings
        chosen = self._choose(number)
        present = Round(
            number,
            at,
            settings.share,
            settings.seed,
            chosen.links,
            chosen.asked,
            chosen.postponed,
        )
        # Last: where this file is, all links are chosen.
        files.write_text(path, json.dumps(asdict(present)) + "\n")
        return present

    def _choose(self, number: int) -> Chosen:
        # Here, since transforms import Beam: a command that only shows its help needs none.
        from pipeline import recheck_flow
        from transforms.recheck.choose import ChooseSettings, read_chosen

        manifest = read_manifest(self.place.dataset)
        asked = self.place.path(ROUND, ASKED)
        settings = ChooseSettings(
            share=self.settings.share,
            whole_share=self.settings.whole_share,
            per_host=self._links_per_host(),
            seed=self.settings.seed,
            round_number=number,
            buckets=self.asking.buckets,
            part_rows=min(PART_LINKS, self.asking.part_rows),
            own_names=manifest.columns,
            links=self.place.path(LINKS),
            asked=asked,
        )
        shards = [files.join(self.place.dataset, path) for path in shard_paths(manifest)]
        job = recheck_flow.ChooseJob(shards, settings)
        LOGGER.info("recheck: choosing links in %d shards", len(shards))
        self.engine.prepare()
        self.engine.run(partial(recheck_flow.choose, job=job), self._job_name("choose"))
        return read_chosen(asked)

    def _links_per_host(self) -> int | None:
        """How many links of one host can be asked in the time that there is."""
        interval_s = self.asking.client.min_interval_s
        if interval_s <= 0:
            return None
        return max(1, int(self.settings.hours * 3600 / interval_s / REQUESTS_PER_LINK))

    def _ask(self, present: Round) -> None:
        """Ask the links of every part that is not there yet."""
        from pipeline import recheck_flow
        from transforms.fetch.lanes import make_lanes
        from transforms.fetch.robots_texts import SiteTextCache
        from transforms.fetch.web_lane import WebSource
        from transforms.recheck.lane import Asker, Moment, RecheckFolders

        folders = RecheckFolders(self.place.path(ROUND, ASKED), self.place.path(ROUND, SEEN))
        names = parts.part_names(folders.asked)
        done = set(parts.part_names(folders.seen))
        unfinished = [name for name in names if name not in done]
        if not unfinished:
            return
        LOGGER.info("recheck: %d of %d parts to ask", len(unfinished), len(names))
        # A command that goes on with a round has the whole time again.
        ends_at = time.time() + self.settings.hours * 3600
        sites = SiteTextCache(
            self.place.path(SITES), self.asking.buckets, self.asking.robots_max_age_s
        )
        asker = Asker(
            consent=self.asking.consent,
            decode=self.asking.decode,
            source=WebSource(self.asking.client, sites, ends_at),
            folders=folders,
            moment=Moment(present.number, present.at, ends_at),
        )
        per_host = self.asking.client.connections_per_host
        lanes = make_lanes(unfinished, self.engine.workers, per_host)
        watch = Watch("recheck", folders.seen, len(names), before=len(done))
        lay_out = partial(recheck_flow.ask, job=recheck_flow.AskJob(lanes, asker))
        self._run(lay_out, watch)

    def _run(self, lay_out: LayOut, watch: Watch) -> None:
        self.engine.prepare()
        with reporting(watch, self.bars) as activity:
            self.engine.run(lay_out, self._job_name("ask"), activity.quiet_s)

    def _job_name(self, step: str) -> str:
        return f"recheck-{self.place.name}/{step}"

    def _merge(self, present: Round) -> SeenCounts:
        """Add what was seen to what is known of the links, and count it."""
        counts = SeenCounts()
        seen_folder, known_folder = self.place.path(ROUND, SEEN), self.place.path(LINKS)
        names = parts.part_names(seen_folder)
        # Names of parts begin with their bucket, so that those of one stand together.
        for bucket, of_bucket in groupby(names, key=parts.bucket_of):
            links = read_links(known_folder, bucket)
            for name in of_bucket:
                seen = seen_in(parts.read_part(seen_folder, name))
                counts.add(seen, present.at)
                links = merged(links, [each.link for each in seen if each.link])
            write_links(known_folder, bucket, links)
        return counts

    def _decide(self, present: Round, seen: SeenCounts, lock: Lock, dry_run: bool) -> Rechecked:
        """Decide on every row by all that is known, and commit. Raises ErasureIncomplete."""
        why = partial(_why_out, suspects=self._suspects(), rule=self.settings.rule)
        taken_out = find_rows(self.place, why)
        result = RecheckResult(
            round=present.number,
            day=present.at[:10],
            version=taken_out.next_version,
            links=present.links,
            by_age=by_age(seen.by_age),
            postponed=present.postponed,
            taken_out=dict(taken_out.reasons),
        )
        if not dry_run:
            commit(self.place, taken_out, result, lock, EraseJobs(self.engine, self.bars))
            check_gone(self.place, why)
        return Rechecked(result, dict(seen.reasons.most_common()), not dry_run)

    def _suspects(self) -> dict[bytes, Link]:
        """Id -> link, for the links that the rule may take out."""
        suspects: dict[bytes, Link] = {}
        for bucket in range(self.asking.buckets):
            known = read_links(self.place.path(LINKS), bucket)
            suspects |= {
                link_id: link
                for link_id, link in known.items()
                if self.settings.rule.may_take_out(link)
            }
        return suspects

    def _close(self, present: Round) -> None:
        """Remove the round's parts; what is known of the links stays."""
        # Before the round's file goes: the next round must have another number.
        text = json.dumps({"rounds": present.number})
        files.write_text(self.place.path(CLOSED_FILE), text + "\n")
        # First the file that says that there is a round: without it the rest is of no use.
        files.remove_file(self.place.path(ROUND, ROUND_FILE))
        files.remove_tree(self.place.path(ROUND))


def _closed(place: RecheckPlace) -> int:
    """How many rounds have been closed."""
    path = place.path(CLOSED_FILE)
    return int(json.loads(files.read_text(path))["rounds"]) if files.exists(path) else 0


def _check_buckets(place: RecheckPlace, buckets: int) -> None:
    """Raise NoSuchDataset where what is known of the links lies in another number of buckets."""
    path = place.path(BUCKETS_FILE)
    if not files.exists(path):
        files.write_text(path, json.dumps(buckets) + "\n")
    known = json.loads(files.read_text(path))
    if known != buckets:
        raise NoSuchDataset(
            f"earlier rechecks had extract.buckets = {known}, and not {buckets}: set it to {known}"
        )


def _why_out(
    row: Mapping[str, str], suspects: Mapping[bytes, Link], rule: RecheckRule
) -> Out | None:
    """Why a row goes out by what is known of its link; None where it stays."""
    link = suspects.get(url_id(row["URL"]))
    if link is None:
        return None
    reason = rule.judge(link, PublishedRow(readable_sha256(row["sha256"]), row["fetched_at"]))
    return Out(reason, Request("image_url", (row["URL"],))) if reason else None

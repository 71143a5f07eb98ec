"""One run: the stages in order. A stage runs only where its result is not there yet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from pairsieve.records.outcome import Tally, Unit, UnitCounts, notes
from pairsieve.storage import files, parts
from pairsieve.storage.job_end import (
    PROBLEMS_FILE,
    SHARDS_FILE,
    GroupKey,
    forget_end,
    read_tally,
    take_over,
    write_result,
)
from pairsieve.storage.journal import FOLDER as JOURNAL
from pairsieve.storage.marked import mark
from pairsieve.warc.reader import INSIDE_RECORD
from pipeline.dataset.release import Release
from pipeline.dataset.writer import only_writer
from pipeline.monitoring.metrics import write_counters, write_metrics
from pipeline.monitoring.progress import Watch, reporting
from pipeline.orchestrate.check_inputs import TooMuchUnreadable, check_inputs
from pipeline.orchestrate.engine import Engine, LayOut
from pipeline.orchestrate.estimate import core_s_of
from pipeline.orchestrate.plan import Plan
from pipeline.orchestrate.publish import Publisher, ShardJob
from pipeline.orchestrate.rates import read_rates
from pipeline.orchestrate.results import Results
from pipeline.orchestrate.retry import reopen, reopen_parts, without_pictures
from pipeline.orchestrate.reuse import reuse_table
from pipeline.orchestrate.review_job import review_dataset
from pipeline.orchestrate.stage_result import (
    MANIFEST,
    STAGES,
    CountsDoNotAddUp,
    StageName,
    StageResult,
    TooMuchQuarantined,
    balances,
    check_quarantine,
    sum_parts,
)
from pipeline.orchestrate.work import work_left

if TYPE_CHECKING:
    from pairsieve.search.sources import Source
    from pipeline.flow import ExtractJob
    from pipeline.orchestrate.job_settings import Jobs
    from transforms.review.review import Review, ReviewSettings

LOGGER = logging.getLogger(__name__)

Counts = dict[str, Mapping[Unit, UnitCounts]]
RunStage = Callable[[StageResult], Mapping[Unit, UnitCounts]]


class StageDone(RuntimeError):
    """The job of a stage was asked for, and its result is there already."""


class StageMissing(RuntimeError):
    """A stage was asked for, and a stage before it has no result."""


@dataclass
class Run:
    """A plan on an engine; with `bars` the terminal shows how far it is.

    `looked_up` are the plan's results where they have been looked up already.
    """

    plan: Plan
    engine: Engine
    bars: bool = False
    looked_up: Results | None = None

    @cached_property
    def results(self) -> Results:
        return self.looked_up or Results(self.plan)

    @property
    def jobs(self) -> Jobs:
        # Beam and all transforms are imported here: a run with nothing to do needs neither.
        from pipeline.orchestrate.job_settings import Jobs

        one_machine = self.engine.runner_name == "DirectRunner"
        return Jobs(self.results, self.engine.workers, one_machine)

    @property
    def publisher(self) -> Publisher:
        writing = ShardJob(self._write_shards, self._take_over_shards)
        return Publisher(self.plan, self.results, writing, self._review_shards)

    def _look_up_results_again(self) -> None:
        """Do so after a result was reopened: the result of scoring may then have another
        fingerprint.
        """
        self.results = self.results.again()

    def execute(self, stages: Sequence[StageName] = STAGES, retry_failed: bool = False) -> Counts:
        """Run the stages that are wanted. Returns the counts of every stage that is complete.

        With `retry_failed` pictures that could not be had for now are asked for again. Raises
        StageMissing, NotReleased, and what a failed job raises.
        """
        # First, because what is gone makes a stage incomplete, and the next check asks for that.
        self._reopen_what_is_gone()
        self._check_earlier(stages)
        if retry_failed and self.results.fetched.complete:
            number = reopen(self.results.fetched, self.plan.config.fetch.transient)
            LOGGER.info("fetch: asking again for %d pictures", number)
            self._look_up_results_again()
        if "score" in stages and not self.results.scored.complete:
            self._reopen_for_pictures(stages)
        for line in reuse_table(self.results.in_order):
            LOGGER.info(line)

        self._run_stages(stages)

        folders = {result.stage.name: result.folder for result in self.results.in_order}
        counts: Counts = {
            result.stage.name: result.read_counts()
            for result in self.results.in_order
            if result.complete
        }
        write_metrics(self.plan.config.work, counts, folders)
        if "publish" in stages:
            self.publisher.check_released()
        return counts

    def _run_stages(self, stages: Sequence[StageName]) -> None:
        if "extract" in stages:
            self._complete(self.results.extracted, self._extract)
        if "fetch" in stages:
            self._complete(self.results.fetched, self._fetch)
        if "score" in stages:
            self._complete(self.results.scored, self._score)
            if self.plan.config.fetch.keep_images == "until_scored":
                files.remove_tree(self.results.pictures)
        if "compare" in stages and self.plan.comparing:
            self._complete(self.results.compared, self._compare)
        if "publish" in stages:
            self._publish()

    def submit(self, stage: StageName) -> None:
        """Hand one stage to an engine that only writes jobs down (a Dataflow template).

        Raises StageMissing, and StageDone for a stage that has its result: nothing that was paid
        for is removed.
        """
        self._check_earlier([stage])
        if stage == "compare" and not self.plan.comparing:
            raise StageDone("no detector of this config compares pictures; there is no job")
        result = self.results.of(stage)
        if result.complete:
            raise StageDone(
                f"{stage} is done for this config, in {result.folder}; there is no job to write"
            )
        # Fetch and score go on from the parts that are there; these three begin anew.
        if stage in ("extract", "compare", "publish"):
            files.remove_tree(result.folder)
        staging, secret = self.publisher.release.staging, b""
        if stage == "publish":
            mark(staging)
            secret = self.publisher.secret()
        lay_out = self.jobs.lay_out(stage, staging, secret)
        self._engine(stage).run(lay_out, self._job_name(stage))

    def _complete(self, result: StageResult, run: RunStage, is_there: bool = True) -> None:
        """Run a stage unless it is complete; `is_there` says that its files elsewhere are whole."""
        stage = result.stage.name
        if result.complete and is_there:
            LOGGER.info("%s: reused", stage)
            return
        LOGGER.info("%s: running", stage)
        self._engine(stage).prepare()
        self._check_parts_before(stage)
        with _forgotten_if_refused(result):
            result.finish(run(result))

    def _publish(self) -> None:
        publisher, result = self.publisher, self.results.published
        with only_writer(self.plan.config.output) as lock:
            # Again, and now under the lock that is held to the end.
            publisher.check_place()
            publish = partial(publisher.publish, lock=lock)
            self._complete(result, publish, is_there=publisher.release.is_whole())

    def _reopen_what_is_gone(self) -> None:
        """Do complete stages again whose parts somebody has removed.

        Otherwise a dataset would be made without them.
        """
        # Not publish: whether its dataset is whole is asked in `_publish`.
        for result in self.results.in_order[:-1]:
            gone = result.missing() if result.complete else []
            if not gone:
                continue
            LOGGER.warning(
                "%s: %d files of its result are gone, as %s; doing them again",
                result.stage.name,
                len(gone),
                gone[0],
            )
            if result.stage.name == "fetch":
                # A new generation: pictures may be others this time, and scoring must see them.
                reopen_parts(result, [])
            forget_end(result.folder)
            files.remove_file(result.path(MANIFEST))
            self._look_up_results_again()

    def _check_parts_before(self, stage: str) -> None:
        """Check that a stage reads what the stages before it have written. Raises Damaged."""
        for before in self._before(stage):
            before.check_parts()

    def _before(self, stage: str) -> list[StageResult]:
        """The results that a stage of this plan reads."""
        earlier = STAGES[: STAGES.index(stage)]
        return [result for result in self.results.in_order if result.stage.name in earlier]

    def _check_earlier(self, stages: Sequence[StageName]) -> None:
        """Raise StageMissing where a stage neither has nor gets what comes before it."""
        for stage in stages:
            for result in self._before(stage):
                before = result.stage.name
                if before not in stages and not result.complete:
                    raise StageMissing(
                        f"{stage} needs {before}, which is not done for this config; run it first "
                        f"(--stages {before})"
                    )

    def _reopen_for_pictures(self, stages: Sequence[StageName]) -> None:
        """Fetch pictures again that must be scored, and that were deleted after a first scoring."""
        results = self.results
        if self.plan.config.fetch.source != "web" or not results.fetched.complete:
            return
        lacking = without_pictures(
            results.fetched, results.pictures, results.scored.earlier(), results.looking
        )
        if not lacking:
            return
        if "fetch" not in stages:
            raise StageMissing(
                "score needs pictures, which are deleted once they are scored; fetch them again "
                "(--stages fetch,score)"
            )
        LOGGER.warning(
            "score needs pictures that were deleted: fetching them again, those of up to %d pairs "
            "(fetch.keep_images: always keeps them)",
            sum(lacking.values()),
        )
        reopen_parts(results.fetched, lacking)
        self._look_up_results_again()

    def _extract(self, result: StageResult) -> dict[Unit, UnitCounts]:
        def groups_of_job() -> list[GroupKey]:
            return self.jobs.extract(result.folder).groups

        # A job that nobody waited for may have ended already.
        if take_over(result.folder, groups_of_job, PROBLEMS_FILE):
            tally = read_tally(result.folder)
        else:
            tally = self._run_extract(result, whole=False)
        if tally["split", "quarantined", INSIDE_RECORD]:
            LOGGER.warning(
                "an archive lies inside a record of an input, which cannot be split then: "
                "extracting again, file by file"
            )
            tally = self._run_extract(result, whole=True)
        for note, number in notes(tally).items():
            LOGGER.info("extract: %s: %d", note, number)
        # Rows in the parts, against what the workers counted.
        names = parts.part_names(result.folder)
        tally["image", "kept", ""], _ = sum_parts(result.folder, names)
        counts = balances(tally, ("file", "split", "record", "page", "image"), "extract")
        check_inputs(tally, self.plan.config.input, result.path(PROBLEMS_FILE))
        check_quarantine(counts["page"], self.plan.config.publish.max_quarantine, "extract, pages")
        return counts

    def _run_extract(self, result: StageResult, whole: bool) -> Tally:
        from pipeline import flow

        # A killed job has not written all counts, and its parts do not hold them: they are of no
        # use.
        files.remove_tree(result.folder)
        job = self.jobs.extract(result.folder, whole)
        done = ("split kept", "split quarantined")
        watch = Watch("extract", result.folder, _pieces(job), "pieces", done)
        self._run(partial(flow.extract, job=job), watch)
        write_result(result.folder, job.groups, PROBLEMS_FILE)
        return read_tally(result.folder)

    def _fetch(self, result: StageResult) -> dict[Unit, UnitCounts]:
        from pipeline import flow

        job = self.jobs.fetch()
        if job.lanes:
            self._run_parts(partial(flow.fetch, job=job), result)
        counts = self._part_counts(result)
        # Every part is there now, so that no answer is needed from the journal.
        files.remove_tree(files.join(result.folder, JOURNAL))
        number = sum(counts["pair"].dropped.get(status, 0) for status in job.settings.transient)
        if number:
            LOGGER.info(
                "fetch: %d pictures could not be fetched this time; --retry-failed asks again for "
                "them",
                number,
            )
        return counts

    def _score(self, result: StageResult) -> dict[Unit, UnitCounts]:
        from pipeline import flow

        job = self.jobs.score(self._engine("score").workers)
        if job.unfinished:
            self._run_parts(partial(flow.score, job=job), result)
        return self._part_counts(result)

    def _compare(self, result: StageResult) -> dict[Unit, UnitCounts]:
        from pipeline import flow
        from pipeline.orchestrate.job_settings import SPILLED
        from transforms.compare.compare import LEFT_OUT_FILE

        # All parts are written at the end: some of them alone are left by a killed run. A job that
        # nobody waited for may have written all.
        if self.jobs.unfinished(result.folder):
            files.remove_tree(result.folder)
            job = self.jobs.compare()
            watch = Watch("compare", result.folder, len(job.names))
            self._run(partial(flow.compare, job=job), watch)
        files.remove_tree(result.path(SPILLED))
        told = result.path(LEFT_OUT_FILE)
        left_out = int(files.read_text(told)) if files.exists(told) else 0
        if left_out:
            LOGGER.warning(
                "compare: %d pairs of pictures were not compared, because too many share a band of "
                "their hashes; copies among them may be missed",
                left_out,
            )
        return self._part_counts(result)

    def _write_shards(self, staging: str, secret: bytes) -> None:
        from pipeline import flow
        from pipeline.orchestrate.job_settings import SPILLED

        result = self.results.published
        # What an earlier run has left: packed rows, and counts of other shards.
        files.remove_tree(result.path(SPILLED))
        forget_end(result.folder)
        job = self.jobs.publish(staging, secret)
        samples = self.results.scored.read_counts()["pair"].entered
        watch = Watch("publish", result.folder, samples, "samples", ("sample in",))
        self._run(partial(flow.publish, job=job), watch)
        write_result(result.folder, job.groups, SHARDS_FILE)
        files.remove_tree(result.path(SPILLED))

    def _take_over_shards(self) -> bool:
        """Sum the counts of an earlier job for which nobody waited. Returns whether it ended."""
        from pipeline.orchestrate.job_settings import SPILLED

        result = self.results.published

        def groups_of_job() -> list[GroupKey]:
            # They depend on neither the place of the shards nor the secret.
            return self.jobs.publish("", b"").groups

        has_ended = take_over(result.folder, groups_of_job, SHARDS_FILE)
        if has_ended:
            files.remove_tree(result.path(SPILLED))
        return has_ended

    def _review_shards(
        self, settings: ReviewSettings, shards: Sequence[Source], folder: str
    ) -> Review:
        return review_dataset(self.engine, settings, shards, folder, self.bars)

    def _run_parts(self, lay_out: LayOut, result: StageResult) -> None:
        total = len(parts.part_names(self.results.extracted.folder))
        unfinished = len(self.jobs.unfinished(result.folder))
        LOGGER.info("%s: %d of %d parts to do", result.stage.name, unfinished, total)
        watch = Watch(result.stage.name, result.folder, total, before=total - unfinished)
        self._run(lay_out, watch)

    def _run(self, lay_out: LayOut, watch: Watch) -> None:
        engine = self._engine(watch.stage)
        with reporting(watch, self.bars) as heard:
            counters = engine.run(lay_out, self._job_name(watch.stage), heard.quiet_s)
        write_counters(watch.folder, counters)

    def _engine(self, stage: str) -> Engine:
        if stage == "score" and self.plan.config.score.accelerator:
            return self.engine.on_accelerators
        rates = read_rates()
        work = work_left(self.results, rates)
        if work is None:
            return self.engine  # nobody says how much there is to do
        return self.engine.for_work(core_s_of(stage, self.plan.config, work, rates))

    def _job_name(self, stage: str) -> str:
        return f"{self.plan.config.name}/{stage}"

    def _part_counts(self, result: StageResult) -> dict[Unit, UnitCounts]:
        """Counts from the footers of parts, against the rows that extract has written."""
        extracted = self.results.extracted
        _, tally = sum_parts(result.folder, parts.part_names(extracted.folder))
        tally["pair", "in", ""] = sum(extracted.read_rows().values())
        return balances(tally, ("pair",), result.stage.name)


def is_done(results: Results) -> bool:
    """Whether every stage is complete, and the dataset is in its place."""
    complete = all(result.complete for result in results.in_order)
    return complete and Release(results.plan.config.output, results.published).is_whole()


@contextmanager
def _forgotten_if_refused(result: StageResult) -> Iterator[None]:
    """Let the next run repeat a stage whose counts do not add up, or that quarantined too much.

    The cause may be gone by then.
    """
    try:
        yield
    except (CountsDoNotAddUp, TooMuchQuarantined, TooMuchUnreadable):
        forget_end(result.folder)
        raise


def _pieces(job: ExtractJob) -> int:
    """How many pieces the inputs are read in; 0 where that is found while reading."""
    if job.input.kind != "archives":
        return 0
    split_bytes = job.input.split_bytes
    if not split_bytes:
        return len(job.inputs)
    pieces = 0
    for path in job.inputs:
        size = files.size_of(path, job.read.options)
        pieces += max(1, -(-size // split_bytes))  # rounded up
    return pieces

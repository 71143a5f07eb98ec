"""One run: the four stages in order, each run only where its result is not there yet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from filters.erasure import Erasure
from pairsieve.records.outcome import Tally, Unit, UnitCounts, notes
from pairsieve.storage import files, parts
from pairsieve.storage.journal import FOLDER as JOURNAL
from pairsieve.storage.lock import Lock
from pairsieve.storage.marked import mark
from pairsieve.storage.secret import secret_in
from pairsieve.warc.reader import INSIDE_RECORD
from pipeline import flow
from pipeline.dataset.release import UNRELEASED, Made, Release, check_erasures, check_output
from pipeline.dataset.review import Looked, review, review_page
from pipeline.dataset.writer import only_writer
from pipeline.monitoring.metrics import write_counters, write_metrics
from pipeline.monitoring.progress import Watch, read_history, reporting
from pipeline.orchestrate.engine import Engine, LayOut
from pipeline.orchestrate.job_settings import SPILLED, STAGES, Jobs, StageName, ledger_key_file
from pipeline.orchestrate.plan import Plan
from pipeline.orchestrate.results import Results
from pipeline.orchestrate.retry import reopen, reopen_parts, without_pictures
from pipeline.orchestrate.reuse import reuse_table
from pipeline.orchestrate.stage_result import (
    MANIFEST,
    CountsDoNotAddUp,
    StageResult,
    TooMuchQuarantined,
    balances,
    check_quarantine,
    sum_parts,
)
from transforms.plumbing.gather import forget_end, has_ended, read_list, read_tally

LOGGER = logging.getLogger(__name__)
CHECKED = "release-check.html"

Counts = dict[str, Mapping[Unit, UnitCounts]]
Step = Callable[[StageResult], Mapping[Unit, UnitCounts]]


class NotReleased(RuntimeError):
    """The release check has found more than the config allows; the dataset is not where readers
    look.
    """


class ErasedMeanwhile(RuntimeError):
    """People were taken out of the dataset that the run was about to replace."""


class StageDone(RuntimeError):
    """A job was asked for whose result is there."""


class StageMissing(RuntimeError):
    """A stage was asked for, and what comes before it is not there."""


@dataclass(frozen=True)
class Run:
    """A plan on an engine; with `bars` it shows on the terminal how far it is."""

    plan: Plan
    engine: Engine
    bars: bool = False

    @property
    def results(self) -> Results:
        return Results(self.plan)

    @property
    def jobs(self) -> Jobs:
        return Jobs(self.plan, self.engine.workers, self.engine.runner_name == "DirectRunner")

    def execute(self, stages: Sequence[StageName] = STAGES, retry_failed: bool = False) -> Counts:
        """Those of the four stages that are wanted; the counts of every stage that is complete
        then. With `retry_failed` pictures are asked for again that could not be had for now.

        Raises StageMissing, what a failed job raises, and NotReleased.
        """
        self._reopen_what_is_gone()
        self._check_earlier(stages)
        results = self.results
        if retry_failed and results.fetched.complete:
            LOGGER.info(
                "fetch: asking again for %d pictures",
                reopen(results.fetched, self.plan.config.fetch.transient),
            )
        if "score" in stages and not results.scored.complete:
            self._reopen_for_pictures(stages)
        for line in reuse_table(results.in_order):
            LOGGER.info(line)
        for result, run in self._steps():
            if result.stage.name == "publish" and "publish" in stages:
                with only_writer(self.plan.config.output) as lock:
                    self._check_place()
                    self._bring_about(result, partial(self._publish, lock=lock))
            elif result.stage.name in stages:
                self._bring_about(result, run)
        counts: Counts = {
            result.stage.name: result.read_counts()
            for result, _ in self._steps()
            if result.complete
        }
        write_metrics(
            self.plan.config.work,
            counts,
            {result.stage.name: result.folder for result, _ in self._steps()},
        )
        if "publish" in stages and self._release.place != files.join(self.plan.config.output, ""):
            review_list = files.join(self.plan.config.work, CHECKED)
            raise NotReleased(
                f"the release check found too much: {review_list} lists it, and the dataset is in "
                f"{self._release.place}"
            )
        return counts

    def submit(self, stage: StageName) -> None:
        """Hand one stage to an engine that only writes jobs down, for others to start (a Dataflow
        template).

        Raises StageMissing, and StageDone for a stage that has its result: nothing is removed that
        was paid for.
        """
        self._check_earlier([stage])
        result = self.results.of(stage)
        if result.complete:
            raise StageDone(
                f"{stage} is done for this config, in {result.folder}; there is no job to write"
            )
        if stage in ("extract", "publish"):
            files.remove_tree(result.folder)
        secret = self._secret() if stage == "publish" else b""
        if stage == "publish":
            mark(self._release.staging)
        self._engine(stage).run(
            self.jobs.lay_out(stage, self._release.staging, secret), self._name(stage)
        )

    def _steps(self) -> tuple[tuple[StageResult, Step], ...]:
        """Looked up anew each time: a fetch that was asked again gives scoring another name."""
        runs: tuple[Step, ...] = (self._extract, self._fetch, self._score, self._publish)
        return tuple(zip(self.results.in_order, runs, strict=True))

    def _bring_about(self, result: StageResult, run: Step) -> None:
        """A stage that is complete afterwards."""
        stage = result.stage.name
        if result.complete and (stage != "publish" or self._release.is_whole()):
            LOGGER.info("%s: reused", stage)
        else:
            LOGGER.info("%s: running", stage)
            self._check_before(stage)
            with _forgotten_if_refused(result):
                result.finish(run(result))
        if stage == "score" and self.plan.config.fetch.keep_images == "until_scored":
            files.remove_tree(self.results.pictures)

    def _reopen_what_is_gone(self) -> None:
        """Somebody may have removed parts of complete stages: those are then done again, and no
        dataset is made without them.
        """
        for result in self.results.in_order[:-1]:
            gone = result.missing() if result.complete else []
            if gone:
                LOGGER.warning(
                    "%s: %d files of its result are gone, as %s; doing them again",
                    result.stage.name,
                    len(gone),
                    gone[0],
                )
                if result.stage.name == "fetch":
                    reopen_parts(result, [])
                forget_end(result.folder)
                files.remove_file(result.path(MANIFEST))

    def _check_before(self, stage: str) -> None:
        """Whether what a stage is about to read is what the stages before it have written.

        Raises Damaged.
        """
        for before in STAGES[: STAGES.index(stage)]:
            self.results.of(before).check_parts()

    def _check_earlier(self, stages: Sequence[StageName]) -> None:
        """Whether each stage has, or gets, what comes before it."""
        for stage in stages:
            for before in STAGES[: STAGES.index(stage)]:
                if before not in stages and not self.results.of(before).complete:
                    raise StageMissing(
                        f"{stage} needs {before}, which is not done for this config; run it first "
                        f"(--stages {before})"
                    )

    @property
    def _release(self) -> Release:
        return Release(self.plan.config.output, self.results.published)

    def _reopen_for_pictures(self, stages: Sequence[StageName]) -> None:
        """Pictures must be scored that were deleted when they had been: those, and no others, are
        fetched again.
        """
        results = self.results
        if self.plan.config.fetch.source != "web" or not results.fetched.complete:
            return
        lacking = without_pictures(
            results.fetched, results.pictures, results.scored.earlier(), results.detect_from
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

    def _extract(self, result: StageResult) -> dict[Unit, UnitCounts]:
        tally = (
            read_tally(result.folder)
            if has_ended(result.folder)
            else self._extracted(result, whole=False)
        )
        if tally["split", "quarantined", INSIDE_RECORD]:
            LOGGER.warning(
                "an archive lies inside a record of an input, which cannot be split then: "
                "extracting again, file by file"
            )
            tally = self._extracted(result, whole=True)
        for note, number in notes(tally).items():
            LOGGER.info("extract: %s: %d", note, number)
        tally["image", "kept", ""] = sum_parts(result.folder, parts.part_names(result.folder))[0]
        counts = balances(tally, ("file", "split", "record", "page", "image"), "extract")
        check_quarantine(counts["page"], self.plan.config.publish.max_quarantine, "extract, pages")
        return counts

    def _extracted(self, result: StageResult, whole: bool) -> Tally:
        files.remove_tree(result.folder)
        job = self.jobs.extract(result.folder, whole)
        watch = Watch(
            "extract", result.folder, _pieces(job), "pieces", ("split kept", "split quarantined")
        )
        self._run(partial(flow.extract, job=job), watch)
        return read_tally(result.folder)

    def _fetch(self, result: StageResult) -> dict[Unit, UnitCounts]:
        job = self.jobs.fetch()
        if job.lanes:
            self._run_parts(partial(flow.fetch, job=job), result)
        counts = self._part_counts(result)
        files.remove_tree(files.join(result.folder, JOURNAL))
        number = sum(counts["pair"].dropped.get(status, 0) for status in job.transient)
        if number:
            LOGGER.info(
                "fetch: %d pictures were not to be had this time; --retry-failed asks again for "
                "them",
                number,
            )
        return counts

    def _score(self, result: StageResult) -> dict[Unit, UnitCounts]:
        job = self.jobs.score()
        if job.unfinished:
            self._run_parts(partial(flow.score, job=job), result)
        return self._part_counts(result)

    def _publish(self, result: StageResult, lock: Lock | None = None) -> dict[Unit, UnitCounts]:
        config, results = self.plan.config, self.results
        if not self._is_staged(result):
            files.remove_tree(result.path(SPILLED))  # of a run that was killed
            mark(self._release.staging)
            job = self.jobs.publish(self._release.staging, self._secret())
            watch = Watch(
                "publish",
                result.folder,
                results.scored.read_counts()["pair"].entered,
                "samples",
                ("sample in",),
            )
            self._run(partial(flow.publish, job=job), watch)
            files.remove_tree(result.path(SPILLED))
        tally = read_tally(result.folder)
        computed = {said.removeprefix("sample: "): number for said, number in notes(tally).items()}
        for said, number in computed.items():
            LOGGER.info("publish: %d pairs scored by %s", number, said)
        counts = balances(tally, ("sample",), "publish")
        check_quarantine(counts["sample"], config.publish.max_quarantine, "publish, samples")
        before = (results.extracted, results.fetched, results.scored)
        every = {r.stage.name: r.read_counts() for r in before} | {"publish": counts}
        shards, problems = (
            read_list(result.folder, flow.SHARDS_FILE),
            read_list(results.extracted.folder, flow.PROBLEMS_FILE),
        )
        history = {r.stage.name: read_history(r.folder) for r in before}
        made = Made(shards, every, problems, computed, history)
        below = self._checked([path for path, *_ in shards])
        if lock is not None:
            lock.check()
        self._release.install(self.plan, made, below)
        return counts

    def _check_place(self) -> None:
        """Whether the dataset may still be put in place: others may have written there, or taken
        people out, since the plan was made.

        Raises ConfigError, ErasedMeanwhile.
        """
        rules = self.plan.rules
        check_output(self.plan.config.output)
        check_erasures(self.plan.config.output, rules)
        erasures = [rule for rule in rules if isinstance(rule, Erasure)]
        if any(replace(rule).prepare() != rule.prepare() for rule in erasures):
            raise ErasedMeanwhile(
                f"people were taken out of {self.plan.config.output} while this run was under "
                "way. Nothing was published; "
                "the same command goes on from there, without them"
            )

    def _is_staged(self, result: StageResult) -> bool:
        """Whether the job has ended that nobody waited for: its shards are there, and have not been
        put in place.
        """
        if not has_ended(result.folder):
            return False
        shards = read_list(result.folder, flow.SHARDS_FILE)
        return all(files.exists(files.join(self._release.staging, path)) for path, *_ in shards)

    def _checked(self, paths: Sequence[str]) -> str:
        """Where the dataset goes: nothing, or `unreleased` where the release check is wanted and
        does not let it pass.
        """
        config = self.plan.config
        if not config.publish.release_check:
            return ""
        stones = next((rule.stones for rule in self.plan.rules if isinstance(rule, Erasure)), None)
        shards = [path for path in paths if path.startswith("dataset/")]
        found = review(self._release.staging, shards, Looked(stones), {})
        over = found.over(config.publish.release_limits)
        files.write_private(files.join(config.work, CHECKED), review_page(config.name, found, over))
        for line in over:
            LOGGER.warning("release check: %s", line)
        return UNRELEASED if over else ""

    def _run(self, lay_out: LayOut, watch: Watch) -> None:
        with reporting(watch, self.bars) as heard:
            counters = self._engine(watch.stage).run(
                lay_out, self._name(watch.stage), heard.quiet_s
            )
        write_counters(watch.folder, counters)

    def _engine(self, stage: str) -> Engine:
        return (
            self.engine.on_accelerators
            if stage == "score" and self.plan.config.score.accelerator
            else self.engine
        )

    def _name(self, stage: str) -> str:
        return f"{self.plan.config.name}/{stage}"

    def _run_parts(self, lay_out: LayOut, result: StageResult) -> None:
        total, unfinished = (
            len(parts.part_names(self.results.extracted.folder)),
            len(self.jobs.unfinished(result.folder)),
        )
        LOGGER.info("%s: %d of %d parts to do", result.stage.name, unfinished, total)
        self._run(
            lay_out, Watch(result.stage.name, result.folder, total, before=total - unfinished)
        )

    def _part_counts(self, result: StageResult) -> dict[Unit, UnitCounts]:
        extracted = self.results.extracted.folder
        names = parts.part_names(extracted)
        tally: Tally = sum_parts(result.folder, names)[1]
        tally["pair", "in", ""] = sum(self.results.extracted.read_rows().values())
        return balances(tally, ("pair",), result.stage.name)

    def _secret(self) -> bytes:
        path = ledger_key_file(self.plan.config)
        secret, is_new = secret_in(path)
        if is_new:
            LOGGER.info(
                "made %s: keep it secret and apart from the dataset; without it the ledger leads "
                "back to nothing",
                path,
            )
        return secret


@contextmanager
def _forgotten_if_refused(result: StageResult) -> Iterator[None]:
    """What did not add up, or could not be judged, is done anew by the next run: the cause may have
    passed.
    """
    try:
        yield
    except (CountsDoNotAddUp, TooMuchQuarantined):
        forget_end(result.folder)
        raise


def _pieces(job: flow.ExtractJob) -> int:
    """How many pieces the inputs are read in; 0 where that is found while reading."""
    if job.input.kind != "archives":
        return 0
    size = job.input.split_bytes
    sizes = (files.size_of(path, job.read.options) for path in job.inputs)
    return sum(max(1, -(-found // size)) for found in sizes) if size else len(job.inputs)

"""One run: the four stages in order, each run only where its result is not there yet."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from archive.reader import INSIDE_RECORD, ReadSettings
from archive.source import ArchiveSettings
from clip.handler import ScoreFolders
from filters.detector import Detector, Needs
from filters.erasure import Erasure
from filters.registry import identity, needing, subsets_of
from filters.rule import Rule
from pipeline import flow
from pipeline.checking import Looked, review, review_page
from pipeline.config import MANY_FILES
from pipeline.engine import Engine, LayOut
from pipeline.metrics import write_metrics
from pipeline.plan import Plan, score_settings
from pipeline.progress import Watch, read_history, reporting
from pipeline.release import UNRELEASED, Made, Release
from pipeline.retry import generation_of, reopen
from pipeline.reuse import reuse_table
from pipeline.stages import Stage, StageResult, balances, check_quarantine, plain, sum_parts
from records.outcome import Tally, Unit, UnitCounts, notes
from storage import files, parts
from storage.journal import FOLDER as JOURNAL
from storage.settled import Earlier
from transforms.extract import ExtractSettings
from transforms.gather import read_tally
from transforms.group import GroupSettings
from transforms.judge import EMBEDDINGS_FOLDER, LEDGER_FOLDER, JudgeSettings, SampleFolders
from transforms.known import KnownSettings
from transforms.lanes import make_lanes
from transforms.part_shelf import FetchFolders
from transforms.read import InputSettings
from transforms.robots_texts import RobotsShelf
from transforms.shard import ShardSettings, shard_count
from transforms.web_lane import WebSource
from web.language import SUBSETS

LOGGER = logging.getLogger(__name__)
FETCH_DECIDES = ("source", "max_bytes", "max_redirects", "ports", "allow_networks", "robots_ai_agents", "tdmrep", "store_size")
SCORE_COSTS = ("models", "accelerator", "decode_processes", "detect_timeout_s")  # how fast it is, or said in another way
PICTURES, ROBOTS, KEY_FILE, SECRET_BYTES = "pictures", "robots", "ledger.key", 32
# Raised when the code of a stage gives another result for the same input: what older code left is then done again.
VERSIONS = {"extract": 4, "fetch": 5, "score": 5, "publish": 5}

CHECKED = "release-check.html"

Counts = dict[str, Mapping[Unit, UnitCounts]]


class NotReleased(RuntimeError):
    """The release check has found more than the config allows; the dataset is not where readers look."""


@dataclass(frozen=True)
class Run:
    """A plan on an engine; with `bars` it shows on the terminal how far it is."""

    plan: Plan
    engine: Engine
    bars: bool = False

    @property
    def extracted(self) -> StageResult:
        plan, config = self.plan, self.plan.config
        settings = {
            "inputs": [(path, files.ukey(path)) for path in plan.inputs],
            "input": {name: getattr(config.input, name) for name in ("kind", "columns", "base")},
            "known": [(path, files.ukey(path)) for path in plan.known],
            "extract": config.extract,
            "locate": config.fetch.source == "archive",
            "detectors": [identity(d) for d in needing(plan.detectors, Needs.PAGE)],
        }
        return self._result("extract", settings, "")

    @property
    def fetched(self) -> StageResult:
        plan, consent = self.plan, self.plan.consent
        fetch = plan.config.fetch
        settings = {
            "fetch": {name: getattr(fetch, name) for name in FETCH_DECIDES},
            "buckets": plan.config.extract.buckets,
            "plugins": [identity(p) for p in (*consent.response_detectors, *consent.content_detectors)],
        }
        opinions = [*map(identity, consent.rules), *map(identity, consent.pair_detectors)]
        return self._result("fetch", settings, self.extracted.stage.fingerprint, opinions)

    @property
    def scored(self) -> StageResult:
        plan = self.plan
        settings = {
            "score": {name: value for name, value in plain(plan.config.score).items() if name not in SCORE_COSTS},
            "models": plan.models,
            "buckets": plan.config.extract.buckets,
            "detectors": [identity(d) for d in needing(plan.detectors, Needs.IMAGE, Needs.EMBEDDING)],
        }
        return self._result("score", settings, self._generation(generation_of(self.fetched)))

    def _generation(self, number: int) -> str:
        """The fetch as scoring knows it: what was asked again is another one."""
        return f"{self.fetched.stage.fingerprint}.{number}" if number else self.fetched.stage.fingerprint

    @property
    def published(self) -> StageResult:
        plan = self.plan
        plugins: tuple[Detector | Rule, ...] = (*needing(plan.detectors, Needs.PAIR, Needs.EVIDENCE), *plan.rules)
        settings = {
            "name": plan.config.name,
            "publish": {name: value for name, value in plain(plan.config.publish).items() if name != "max_quarantine"},
            "output": plan.config.output,
            "plugins": [identity(p) for p in plugins],
        }
        return self._result("publish", settings, self.scored.stage.fingerprint)

    def _result(self, name: str, settings: Mapping[str, Any], upstream: str, opinions: Any = None) -> StageResult:
        return StageResult(Stage(name, VERSIONS[name], settings, upstream, opinions), self.plan.config.work)

    @property
    def _earlier(self) -> Earlier:
        """What the web need not be asked for again. From an archive pictures are read where they lie, at no request."""
        if self.plan.config.fetch.source != "web":
            return Earlier()
        folders = self.fetched.earlier()
        return Earlier(tuple(folders), tuple(files.join(folder, PICTURES) for folder in folders), tuple(self.scored.earlier()))

    def execute(self, retry_failed: bool = False) -> Counts:
        """All four stages; the counts of each. With `retry_failed` pictures are asked for again that could not be had for now.

        Raises what a failed job raises.
        """
        if retry_failed and self.fetched.complete:
            LOGGER.info("fetch: asking again for %d pictures", reopen(self.fetched, self.plan.config.fetch.transient))
        if not self.scored.complete:
            self._forget_images_without_pictures()
        steps = (
            (self.extracted, self._extract),
            (self.fetched, self._fetch),
            (self.scored, self._score),
            (self.published, self._publish),
        )
        for line in reuse_table([result for result, _ in steps]):
            LOGGER.info(line)
        counts: Counts = {}
        for result, run in steps:
            if result.complete and (result.stage.name != "publish" or self._release.is_whole()):
                LOGGER.info("%s: reused", result.stage.name)
            else:
                LOGGER.info("%s: running", result.stage.name)
                result.finish(run(result))
            counts[result.stage.name] = result.read_counts()
            if result.stage.name == "score" and self.plan.config.fetch.keep_images == "until_scored":
                files.remove_tree(self._pictures)
        write_metrics(self.plan.config.work, counts, {result.stage.name: result.folder for result, _ in steps})
        if self._release.place != files.join(self.plan.config.output, ""):
            review_list = files.join(self.plan.config.work, CHECKED)
            raise NotReleased(f"the release check found too much: {review_list} lists it, and the dataset is in {self._release.place}")
        return counts

    @property
    def _pictures(self) -> str:
        return self.fetched.path(PICTURES)

    @property
    def _archive(self) -> ArchiveSettings:
        return ArchiveSettings(self.plan.config.fetch.max_bytes, self.plan.config.input.options)

    @property
    def _robots(self) -> RobotsShelf:
        config = self.plan.config
        folder = f"{ROBOTS}-tdmrep" if config.fetch.tdmrep else ROBOTS  # without it less was asked
        return RobotsShelf(files.join(config.work, folder), config.extract.buckets, config.fetch.robots_max_age_h * 3600)

    @property
    def _release(self) -> Release:
        return Release(self.plan.config.output, self.published)

    def _forget_images_without_pictures(self) -> None:
        """Scoring must run and the pictures are gone: they have to be fetched again."""
        needs_pictures = self.plan.config.fetch.source == "web" and self.fetched.complete
        if needs_pictures and not files.exists(self._pictures):
            number = self.fetched.read_counts()["pair"].kept
            LOGGER.warning(
                "score must run again and its pictures were deleted: fetching them again, those of up to %d pairs "
                "(fetch.keep_images: always keeps them)",
                number,
            )
            files.remove_tree(self.fetched.folder)

    def _extract(self, result: StageResult) -> dict[Unit, UnitCounts]:
        tally = self._extracted(result, whole=False)
        if tally["split", "quarantined", INSIDE_RECORD]:
            LOGGER.warning("an archive lies inside a record of an input, which cannot be split then: extracting again, file by file")
            tally = self._extracted(result, whole=True)
        for note, number in notes(tally).items():
            LOGGER.info("extract: %s: %d", note, number)
        tally["image", "kept", ""] = sum_parts(result.folder, parts.part_names(result.folder))[0]
        counts = balances(tally, ("file", "split", "record", "page", "image"), "extract")
        check_quarantine(counts["page"], self.plan.config.publish.max_quarantine, "extract, pages")
        return counts

    def _extracted(self, result: StageResult, whole: bool) -> Tally:
        files.remove_tree(result.folder)
        job = self.extract_job(result.folder, whole)
        watch = Watch("extract", result.folder, self._pieces(job), "pieces", ("split kept", "split quarantined"))
        self._run(partial(flow.extract, job=job), watch)
        return read_tally(result.path(flow.TALLY_FILE))

    def _pieces(self, job: flow.ExtractJob) -> int:
        """How many pieces the inputs are read in; 0 where that is found while reading."""
        if job.input.kind != "archives":
            return 0
        size = job.input.split_bytes
        return sum(-(-files.size_of(path) // size) or 1 for path in job.inputs) if size else len(job.inputs)

    def extract_job(self, folder: str, whole: bool = False) -> flow.ExtractJob:
        """The job that extracts into a folder, with every file in one piece if `whole`."""
        plan, config = self.plan, self.plan.config
        given, extract = config.input, config.extract
        split_bytes = None if whole or len(plan.inputs) >= MANY_FILES else int(given.split_mb * 1_000_000)
        return flow.ExtractJob(
            inputs=plan.inputs,
            input=InputSettings(given.kind, split_bytes, given.base, given.columns),
            read=ReadSettings(extract.max_page_bytes, config.fetch.source == "archive", extract.check_digests, given.options),
            settings=ExtractSettings(extract.images, extract.caption, extract.url, extract.language),
            detectors=needing(plan.detectors, Needs.PAGE),
            group=GroupSettings(extract.buckets, extract.part_rows, folder, extract.dedup),
            known=KnownSettings(plan.known, extract.buckets, extract.dedup) if plan.known else None,
        )

    def _fetch(self, result: StageResult) -> dict[Unit, UnitCounts]:
        config = self.plan.config
        web = config.fetch.source == "web"
        unfinished = self._unfinished(result.folder)
        lanes = (self.engine.workers, config.fetch.connections_per_host) if web else (len(unfinished), 1)
        job = flow.FetchJob(
            lanes=make_lanes(unfinished, *lanes),
            consent=self.plan.consent,
            source=WebSource(config.fetch.client(), self._robots) if web else self._archive,
            store=config.fetch.store(config.score.decode),
            transient=config.fetch.transient,
            folders=FetchFolders(self.extracted.folder, result.folder, self._pictures, config.extract.buckets, self._earlier),
        )
        if unfinished:
            self._run_parts(partial(flow.fetch, job=job), result, len(unfinished))
        counts = self._part_counts(result)
        files.remove_tree(files.join(result.folder, JOURNAL))
        number = sum(counts["pair"].dropped.get(status, 0) for status in config.fetch.transient)
        if number:
            LOGGER.info("fetch: %d pictures were not to be had this time; --retry-failed asks again for them", number)
        return counts

    def _score(self, result: StageResult) -> dict[Unit, UnitCounts]:
        plan, settings = self.plan, self.plan.config.score
        job = flow.ScoreJob(
            unfinished=self._unfinished(result.folder),
            settings=score_settings(plan.config, plan.models, self._archive, settings.detect_from),
            detectors=plan.detectors,
            accelerator=settings.accelerator,
            folders=ScoreFolders(self.extracted.folder, self.fetched.folder, self._pictures, result.folder, tuple(self.scored.earlier())),
        )
        if job.unfinished:
            self._run_parts(partial(flow.score, job=job), result, len(job.unfinished))
        return self._part_counts(result)

    def _publish(self, result: StageResult) -> dict[Unit, UnitCounts]:
        plan, config = self.plan, self.plan.config
        detectors = needing(plan.detectors, Needs.PAIR, Needs.EVIDENCE)
        subsets, embeddings = (*SUBSETS, *subsets_of(plan.rules)), config.publish.embeddings
        trees = ("dataset", *([EMBEDDINGS_FOLDER] if embeddings == "npy" else []))
        samples = self.scored.read_counts()["pair"]
        number = shard_count(samples.kept, config.publish.shards, config.publish.rows_per_shard)
        folders = [*(f"{tree}/{subset}" for tree in trees for subset in subsets), LEDGER_FOLDER]
        job = flow.PublishJob(
            names=parts.part_names(self.extracted.folder),
            judge=JudgeSettings(plan.rules, detectors, self._secret(), number, embeddings),
            folders=SampleFolders(self.extracted.folder, self.fetched.folder, self.scored.folder),
            shards=ShardSettings(self._release.staging, folders, number, embeddings == "column"),
            results=result.folder,
        )
        watch = Watch("publish", result.folder, samples.entered, "samples", ("sample in",))
        self._run(partial(flow.publish, job=job), watch)
        tally = read_tally(result.path(flow.TALLY_FILE))
        computed = {said.removeprefix("sample: "): number for said, number in notes(tally).items()}
        for said, number in computed.items():
            LOGGER.info("publish: %d pairs scored by %s", number, said)
        counts = balances(tally, ("sample",), "publish")
        check_quarantine(counts["sample"], config.publish.max_quarantine, "publish, samples")
        every = {r.stage.name: r.read_counts() for r in (self.extracted, self.fetched, self.scored)} | {"publish": counts}
        shards, problems = (
            json.loads(files.read_text(p)) for p in (result.path(flow.SHARDS_FILE), self.extracted.path(flow.PROBLEMS_FILE))
        )
        history = {r.stage.name: read_history(r.folder) for r in (self.extracted, self.fetched, self.scored)}
        self._release.install(plan, Made(shards, every, problems, computed, history), self._checked([path for path, *_ in shards]))
        return counts

    def _checked(self, paths: Sequence[str]) -> str:
        """Where the dataset goes: nothing, or `unreleased` where the release check is wanted and does not let it pass."""
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
        with reporting(watch, self.bars):
            self.engine.run(lay_out, f"pairsieve-{watch.stage}")

    def _run_parts(self, lay_out: LayOut, result: StageResult, unfinished: int) -> None:
        total = len(parts.part_names(self.extracted.folder))
        LOGGER.info("%s: %d of %d parts to do", result.stage.name, unfinished, total)
        self._run(lay_out, Watch(result.stage.name, result.folder, total, before=total - unfinished))

    def _unfinished(self, folder: str) -> list[str]:
        done = set(parts.part_names(folder))
        return [name for name in parts.part_names(self.extracted.folder) if name not in done]

    def _part_counts(self, result: StageResult) -> dict[Unit, UnitCounts]:
        names = parts.part_names(self.extracted.folder)
        tally: Tally = sum_parts(result.folder, names)[1]
        tally["pair", "in", ""] = sum_parts(self.extracted.folder, names)[0]
        return balances(tally, ("pair",), result.stage.name)

    def _secret(self) -> bytes:
        """The secret of the ledger's keys; made once, for its owner's eyes alone, where the config names none."""
        path = self.plan.config.publish.key_file or files.join(self.plan.config.work, KEY_FILE)
        if not files.exists(path):
            files.write_private(path, secrets.token_hex(SECRET_BYTES))
            LOGGER.info("made %s: keep it secret and apart from the dataset; without it the ledger leads back to nothing", path)
        return bytes.fromhex(files.read_text(path).strip())

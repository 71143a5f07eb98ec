"""One run: the four stages in order, each run only where its result is not there yet."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from archive.reader import ReadSettings
from archive.source import ArchiveSettings
from clip.handler import ScoreFolders, ScoreSettings
from clip.model import ModelError, ModelIdentity, identify
from filters.detector import Detector, Needs
from filters.registry import FilterConfigError, build_detectors, build_rules, identity, needing
from filters.rule import Rule
from pipeline import flow
from pipeline.config import Config, ConfigError
from pipeline.engine import Engine
from pipeline.release import Release, check_output
from pipeline.stages import Stage, StageResult, balances, plain, sum_parts
from records.outcome import Tally, Unit, UnitCounts
from storage import files, parts
from transforms.extract import ExtractSettings
from transforms.fetch import Consent, FetchFolders
from transforms.gather import read_tally
from transforms.group import GroupSettings
from transforms.judge import LEDGER_FOLDER, JudgeSettings, SampleFolders
from transforms.shard import ShardSettings
from web.language import SUBSETS

LOGGER = logging.getLogger(__name__)
PICTURES, KEY_FILE, SECRET_BYTES = "pictures", "ledger.key", 32

Counts = dict[str, Mapping[Unit, UnitCounts]]


@dataclass(frozen=True)
class Plan:
    """A config with everything looked up: files found, plugins built, models identified. Nothing has been started."""

    config: Config
    inputs: tuple[str, ...]
    detectors: tuple[Detector, ...]
    rules: tuple[Rule, ...]
    models: Mapping[str, ModelIdentity]

    @property
    def consent(self) -> Consent:
        """The rules that can save a request, with the detectors that those read."""
        rules = tuple(rule for rule in self.rules if rule.saves_request)
        read = {column for rule in rules for column in rule.reads}
        pair = tuple(d for d in needing(self.detectors, Needs.PAIR) if read & set(d.columns))
        return Consent(rules, pair, needing(self.detectors, Needs.RESPONSE))


def make_plan(config: Config) -> Plan:
    """Look everything up. Raises ConfigError naming what is missing and what to do."""
    try:
        detectors = build_detectors(config.filters.detectors)
        rules = build_rules(config.filters.rules, detectors)
        used = sorted(set(config.score.routes.values()))
        models = {name: identify(config.score.models[name]) for name in used}
    except (FilterConfigError, ModelError) as error:
        raise ConfigError(str(error)) from None
    check_output(config.output)
    return Plan(config, find_inputs(config), detectors, rules, models)


def find_inputs(config: Config) -> tuple[str, ...]:
    """Every input file once, sorted. Raises ConfigError for a pattern that matches nothing."""
    if not config.input.files:
        raise ConfigError("no input: give --input PATTERN or set input.files in the config")
    found: set[str] = set()
    for pattern in config.input.files:
        matched = files.expand(pattern)
        if not matched:
            raise ConfigError(f"no file matches {pattern}; check the path (patterns may hold *, ? and [])")
        found.update(matched)
    return tuple(sorted(found))


@dataclass(frozen=True)
class Run:
    """A plan on an engine."""

    plan: Plan
    engine: Engine

    @property
    def extracted(self) -> StageResult:
        plan, config = self.plan, self.plan.config
        settings = {
            "inputs": [(path, files.ukey(path)) for path in plan.inputs],
            "extract": config.extract,
            "locate": config.fetch.source == "archive",
            "detectors": [identity(d) for d in needing(plan.detectors, Needs.PAGE)],
        }
        return self._result("extract", 1, settings, "")

    @property
    def fetched(self) -> StageResult:
        plan, consent = self.plan, self.plan.consent
        plugins: tuple[Detector | Rule, ...] = (*consent.rules, *consent.pair_detectors, *consent.response_detectors)
        fetch = plan.config.fetch
        settings = {
            "fetch": {name: getattr(fetch, name) for name in ("source", "max_bytes", "max_redirects", "ports", "allow_networks")},
            "plugins": [identity(p) for p in plugins],
        }
        return self._result("fetch", 1, settings, self.extracted.stage.fingerprint)

    @property
    def scored(self) -> StageResult:
        plan = self.plan
        settings = {
            "score": {**plain(plan.config.score), "models": None},
            "models": plan.models,
            "detectors": [identity(d) for d in needing(plan.detectors, Needs.IMAGE, Needs.EMBEDDING)],
        }
        return self._result("score", 1, settings, self.fetched.stage.fingerprint)

    @property
    def published(self) -> StageResult:
        plan = self.plan
        plugins: tuple[Detector | Rule, ...] = (*needing(plan.detectors, Needs.PAIR), *plan.rules)
        settings = {
            "name": plan.config.name,
            "publish": plan.config.publish,
            "output": plan.config.output,
            "plugins": [identity(p) for p in plugins],
        }
        return self._result("publish", 1, settings, self.scored.stage.fingerprint)

    def _result(self, name: str, version: int, settings: Mapping[str, Any], upstream: str) -> StageResult:
        return StageResult(Stage(name, version, settings, upstream), self.plan.config.work)

    def execute(self) -> Counts:
        """All four stages; the counts of each. Raises what a failed job raises."""
        if not self.scored.complete:
            self._forget_images_without_pictures()
        steps = (
            (self.extracted, self._extract),
            (self.fetched, self._fetch),
            (self.scored, self._score),
            (self.published, self._publish),
        )
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
        return counts

    @property
    def _pictures(self) -> str:
        return self.fetched.path(PICTURES)

    @property
    def _release(self) -> Release:
        return Release(self.plan.config.output, self.published)

    def _forget_images_without_pictures(self) -> None:
        """Scoring must run and the pictures are gone: they have to be fetched again."""
        needs_pictures = self.plan.config.fetch.source == "web" and self.fetched.complete
        if needs_pictures and not files.exists(self._pictures):
            LOGGER.warning("score must run again and its pictures were deleted: fetching them again (fetch.keep_images: always keeps them)")
            files.remove_tree(self.fetched.folder)

    def _extract(self, result: StageResult) -> dict[Unit, UnitCounts]:
        plan, config = self.plan, self.plan.config
        job = flow.ExtractJob(
            inputs=plan.inputs,
            read=ReadSettings(config.extract.max_page_bytes, locate=config.fetch.source == "archive"),
            settings=ExtractSettings(config.extract.caption, config.extract.url, config.extract.language),
            detectors=needing(plan.detectors, Needs.PAGE),
            group=GroupSettings(config.extract.buckets, config.extract.part_rows, result.folder),
        )
        self._run(partial(flow.extract, job=job), "extract")
        tally = read_tally(result.path(flow.TALLY_FILE))
        tally["image", "kept", ""] = sum_parts(result.folder, parts.part_names(result.folder))[0]
        return balances(tally, ("file", "record", "page", "image"), "extract")

    def _fetch(self, result: StageResult) -> dict[Unit, UnitCounts]:
        config = self.plan.config
        web = config.fetch.source == "web"
        job = flow.FetchJob(
            unfinished=self._unfinished(result.folder),
            consent=self.plan.consent,
            source=config.fetch.client() if web else ArchiveSettings(config.fetch.max_bytes),
            folders=FetchFolders(self.extracted.folder, result.folder, self._pictures),
        )
        if job.unfinished:
            self._run(partial(flow.fetch, job=job), "fetch")
        return self._part_counts(result)

    def _score(self, result: StageResult) -> dict[Unit, UnitCounts]:
        plan, settings = self.plan, self.plan.config.score
        job = flow.ScoreJob(
            unfinished=self._unfinished(result.folder),
            settings=ScoreSettings(
                models={name: settings.models[name] for name in plan.models},
                identities=plan.models,
                routes=settings.routes,
                device=settings.device,
                batch_size=settings.batch_size,
                threads=settings.threads,
                decode=settings.decode,
                detect_from=settings.detect_from,
                keep_embeddings=settings.keep_embeddings,
                max_bytes=plan.config.fetch.max_bytes,
            ),
            detectors=plan.detectors,
            folders=ScoreFolders(self.extracted.folder, self.fetched.folder, self._pictures, result.folder),
        )
        if job.unfinished:
            self._run(partial(flow.score, job=job), "score")
        return self._part_counts(result)

    def _publish(self, result: StageResult) -> dict[Unit, UnitCounts]:
        plan, config = self.plan, self.plan.config
        folders = [*(f"dataset/{subset}" for subset in SUBSETS), LEDGER_FOLDER]
        job = flow.PublishJob(
            names=parts.part_names(self.extracted.folder),
            judge=JudgeSettings(plan.rules, needing(plan.detectors, Needs.PAIR), self._secret(), config.publish.shards),
            folders=SampleFolders(self.extracted.folder, self.fetched.folder, self.scored.folder),
            shards=ShardSettings(self._release.staging, folders, config.publish.shards),
            results=result.folder,
        )
        self._run(partial(flow.publish, job=job), "publish")
        counts = balances(read_tally(result.path(flow.TALLY_FILE)), ("sample",), "publish")
        every = {r.stage.name: r.read_counts() for r in (self.extracted, self.fetched, self.scored)} | {"publish": counts}
        shards, problems = (
            json.loads(files.read_text(p)) for p in (result.path(flow.SHARDS_FILE), self.extracted.path(flow.PROBLEMS_FILE))
        )
        self._release.install(plan, shards, every, problems)
        return counts

    def _run(self, lay_out: Any, stage: str) -> None:
        self.engine.run(lay_out, f"pairsieve-{stage}")

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

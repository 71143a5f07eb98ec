"""What each of the four jobs is given: the settings of its transforms, made from a plan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from filters.detector import Needs
from filters.registry import needing, subsets_of
from pairsieve.records.layout import EMBEDDINGS_FOLDER, LEDGER_FOLDER
from pairsieve.storage import files, parts
from pairsieve.warc.reader import ReadSettings
from pairsieve.warc.source import ArchiveSettings
from pairsieve.web.language import SUBSETS
from pipeline import flow
from pipeline.config import MANY_FILES
from pipeline.orchestrate.engine import LayOut
from pipeline.orchestrate.plan import Plan, score_settings
from pipeline.orchestrate.results import Results
from pipeline.orchestrate.stage_result import StageName
from transforms.extractor import ExtractSettings
from transforms.fetch.lanes import make_lanes
from transforms.fetch.part_shelf import FetchFolders
from transforms.fetch.robots_texts import SiteTextCache
from transforms.fetch.web_lane import WebSource
from transforms.group import GroupSettings
from transforms.known import KnownSettings
from transforms.read import InputSettings
from transforms.redact import RedactSettings
from transforms.rules import RuleSettings
from transforms.samples import SampleFolders
from transforms.score.settings import ScoreFolders
from transforms.shard import ShardSettings, shard_count

SITES, SPILLED = "sites", "spilled"


@dataclass(frozen=True)
class Jobs:
    """The jobs of a plan, and where their results lie.

    What is divided beforehand is divided among `workers`. With `one_machine` they share its disk
    and memory.
    """

    results: Results
    workers: int
    one_machine: bool = False

    @property
    def plan(self) -> Plan:
        return self.results.plan

    def lay_out(self, stage: StageName, staging: str, secret: bytes) -> LayOut:
        """The job of one stage; `staging` and `secret` are for `publish`."""
        if stage == "extract":
            return partial(flow.extract, job=self.extract(self.results.extracted.folder))
        if stage == "fetch":
            return partial(flow.fetch, job=self.fetch())
        if stage == "score":
            return partial(flow.score, job=self.score())
        return partial(flow.publish, job=self.publish(staging, secret))

    def extract(self, folder: str, whole: bool = False) -> flow.ExtractJob:
        """The job that extracts into a folder, with every file in one piece if `whole`."""
        plan, config = self.plan, self.plan.config
        given, extract = config.input, config.extract
        split_bytes = (
            None if whole or len(plan.inputs) >= MANY_FILES else int(given.split_mb * 1_000_000)
        )
        return flow.ExtractJob(
            inputs=plan.inputs,
            input=InputSettings(given.kind, split_bytes, given.base, given.columns),
            read=ReadSettings(
                extract.max_page_bytes,
                config.fetch.source == "archive",
                extract.check_digests,
                given.options,
            ),
            settings=ExtractSettings(
                extract.images, extract.caption, extract.url, extract.language
            ),
            detectors=needing(plan.detectors, Needs.PAGE),
            group=GroupSettings(extract.buckets, extract.part_rows, folder, extract.dedup),
            known=KnownSettings(plan.known, extract.buckets, extract.dedup) if plan.known else None,
        )

    def fetch(self) -> flow.FetchJob:
        """The parts that are not there yet, in lanes: from the web a host is asked by one
        worker.
        """
        config, results = self.plan.config, self.results
        web = config.fetch.source == "web"
        unfinished = self.unfinished(results.fetched.folder)
        lanes = (self.workers, config.fetch.connections_per_host) if web else (len(unfinished), 1)
        return flow.FetchJob(
            lanes=make_lanes(unfinished, *lanes),
            consent=self.plan.consent,
            source=WebSource(config.fetch.client(), self._sites) if web else self._archive,
            store=config.fetch.store(config.score.decode),
            transient=config.fetch.transient,
            folders=FetchFolders(
                results.extracted.folder,
                results.fetched.folder,
                results.pictures,
                config.extract.buckets,
                results.earlier,
            ),
        )

    def score(self) -> flow.ScoreJob:
        """The parts that are not there yet."""
        plan, settings, results = self.plan, self.plan.config.score, self.results
        scored = results.scored
        return flow.ScoreJob(
            unfinished=self.unfinished(scored.folder),
            settings=score_settings(plan.config, plan.models, self._archive, results.detect_from),
            detectors=plan.detectors,
            hints={
                name: hint
                for name in ("accelerator", "min_ram")
                if (hint := getattr(settings, name))
            },
            folders=ScoreFolders(
                results.extracted.folder,
                results.fetched.folder,
                results.pictures,
                scored.folder,
                tuple(scored.earlier()),
            ),
        )

    def publish(self, staging: str, secret: bytes) -> flow.PublishJob:
        """Every part; shards go below `staging`, and `secret` makes the ledger's keys."""
        plan, config, results = self.plan, self.plan.config, self.results
        embeddings = config.publish.embeddings
        shards = shard_count(
            results.scored.read_counts()["pair"].kept,
            config.publish.shards,
            config.publish.rows_per_shard,
        )
        subsets = (*SUBSETS, *subsets_of(plan.rules))
        folders = [f"dataset/{subset}" for subset in subsets]
        if embeddings == "npy":
            folders += [f"{EMBEDDINGS_FOLDER}/{subset}" for subset in subsets]
        folders.append(LEDGER_FOLDER)
        detectors = needing(plan.detectors, Needs.PAIR, Needs.EVIDENCE)
        return flow.PublishJob(
            names=parts.part_names(results.extracted.folder),
            folders=SampleFolders(
                results.extracted.folder, results.fetched.folder, results.scored.folder
            ),
            rules=RuleSettings(plan.rules, detectors, secret, shards),
            redact=RedactSettings(shards, embeddings),
            shards=ShardSettings(staging, folders, shards, embeddings == "column", self._spill),
            results=results.published.folder,
        )

    def unfinished(self, folder: str) -> list[str]:
        """The parts that are not in a stage's folder yet."""
        done = set(parts.part_names(folder))
        return [
            name for name in parts.part_names(self.results.extracted.folder) if name not in done
        ]

    @property
    def _spill(self) -> str:
        return (
            self.results.published.path(SPILLED)
            if self.one_machine and files.is_local(self.plan.config.work)
            else ""
        )

    @property
    def _archive(self) -> ArchiveSettings:
        return ArchiveSettings(self.plan.config.fetch.max_bytes, self.plan.config.input.options)

    @property
    def _sites(self) -> SiteTextCache:
        config = self.plan.config
        return SiteTextCache(
            files.join(config.work, SITES),
            config.extract.buckets,
            config.fetch.robots_max_age_h * 3600,
        )

"""Makes the settings of the jobs from a plan."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial

from filters.balance.concepts import Concepts
from filters.balance.languages import LanguagePairs
from filters.detector import Needs
from filters.duplicates.detectors import NearCopies
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
from pipeline.orchestrate.results import VERSIONS, Results
from pipeline.orchestrate.stage_result import Stage, StageName, StageResult
from transforms.compare.settings import CompareSettings, Division
from transforms.extractor import ExtractSettings
from transforms.fetch.fetch import FetchSettings
from transforms.fetch.lanes import lane_of_each_part, make_lanes
from transforms.fetch.part_shelf import FetchFolders
from transforms.fetch.robots_texts import SiteTextCache
from transforms.fetch.web_lane import WebSource
from transforms.group import GroupSettings
from transforms.known import KnownFile, KnownSettings
from transforms.read import InputSettings
from transforms.redact import RedactSettings
from transforms.rules import RuleSettings
from transforms.samples import SampleFolders
from transforms.score.settings import ScoreFolders
from transforms.shard import ShardSettings, shard_count

SITES, SPILLED, KNOWN = "sites", "spilled", "known"


@dataclass(frozen=True)
class Jobs:
    """The jobs of a plan.

    Work that is divided before a job starts is divided among `workers`. `one_machine`: they share
    its disk and memory.
    """

    results: Results
    workers: int
    one_machine: bool = False

    @property
    def plan(self) -> Plan:
        return self.results.plan

    def lay_out(self, stage: StageName, staging: str, secret: bytes) -> LayOut:
        """The function that lays out a stage's job. `staging` and `secret` are for `publish`."""
        if stage == "extract":
            return partial(flow.extract, job=self.extract(self.results.extracted.folder))
        if stage == "fetch":
            return partial(flow.fetch, job=self.fetch())
        if stage == "score":
            return partial(flow.score, job=self.score())
        if stage == "compare":
            return partial(flow.compare, job=self.compare())
        return partial(flow.publish, job=self.publish(staging, secret))

    def extract(self, folder: str, whole: bool = False) -> flow.ExtractJob:
        """The job that extracts into a folder. With `whole` no file is split."""
        plan, config = self.plan, self.plan.config
        inputs, extract = config.input, config.extract
        split_bytes: int | None = int(inputs.split_mb * 1_000_000)
        if whole or len(plan.inputs) >= MANY_FILES:
            # `whole`: an archive lies inside a record. MANY_FILES: every worker has enough files.
            split_bytes = None
        return flow.ExtractJob(
            inputs=plan.inputs,
            input=InputSettings(inputs.kind, split_bytes, inputs.base, inputs.columns),
            read=ReadSettings(
                extract.max_page_bytes,
                config.fetch.source == "archive",  # then pictures are located as well
                extract.check_digests,
                inputs.options,
            ),
            settings=ExtractSettings(
                extract.images,
                extract.caption,
                extract.url,
                extract.language,
                extract.captions,
            ),
            detectors=needing(plan.detectors, Needs.PAGE),
            group=GroupSettings(extract.buckets, extract.part_rows, folder, extract.dedup),
            known=self._known(folder) if plan.known else None,
        )

    def _known(self, progress_dir: str) -> KnownSettings:
        """The earlier datasets, with the folder of each of their files.

        A folder is used again as long as the earlier dataset and these settings stay the same.
        """
        plan, extract = self.plan, self.plan.config.extract
        known_files = []
        for path, key in zip(plan.known, files.ukeys(plan.known), strict=True):
            settings = {"file": (path, key), "buckets": extract.buckets, "dedup": extract.dedup}
            # Of the version of extract, which rises when captions are cleaned in another way.
            made = Stage(KNOWN, VERSIONS["extract"], settings, upstream="")
            folder = files.join(plan.config.work, KNOWN, made.fingerprint)
            known_files.append(KnownFile(path, folder))
        return KnownSettings(
            tuple(known_files), extract.buckets, extract.dedup, progress_dir=progress_dir
        )

    def fetch(self) -> flow.FetchJob:
        """The job that fetches the parts that are not there yet."""
        config, results = self.plan.config, self.results
        unfinished = self.unfinished(results.fetched.folder)
        source: WebSource | ArchiveSettings
        if config.fetch.source == "web":
            # A host belongs to one lane, so that one worker keeps its limits.
            # A bucket is divided among as many lanes at most as a host allows connections.
            lanes = make_lanes(unfinished, self.workers, config.fetch.connections_per_host)
            source = WebSource(config.fetch.client(), self._sites)
        else:
            lanes = lane_of_each_part(unfinished)
            source = self._archive
        settings = FetchSettings(
            consent=self.plan.consent,
            source=source,
            store=config.fetch.store(config.score.decode),
            transient=config.fetch.transient,
            folders=FetchFolders(
                pairs=results.extracted.folder,
                images=results.fetched.folder,
                pictures=results.pictures,
                buckets=config.extract.buckets,
                earlier=results.earlier,
            ),
        )
        return flow.FetchJob(lanes, settings)

    def score(self, processes: int = 1) -> flow.ScoreJob:
        """The job that scores the parts that are not there yet.

        `processes` workers share each machine. They divide its cores among their decoders, unless
        the config gives a number.
        """
        plan, results = self.plan, self.results
        score = plan.config.score
        # Of machines elsewhere nothing is known here; each worker there counts its own cores.
        cores = (os.cpu_count() or 1) if self.one_machine else None
        decoders = max(1, cores // processes) if cores else None
        settings = score_settings(
            plan.config, plan.models, self._archive, results.looking, results.sparing
        )
        settings = replace(settings, decode_processes=settings.decode_processes or decoders)
        all_hints = {"accelerator": score.accelerator, "min_ram": score.min_ram}
        hints = {name: hint for name, hint in all_hints.items() if hint}
        return flow.ScoreJob(
            unfinished=self.unfinished(results.scored.folder),
            settings=settings,
            detectors=plan.detectors,
            hints=hints,
            folders=ScoreFolders(
                pairs=results.extracted.folder,
                images=results.fetched.folder,
                pictures=results.pictures,
                samples=results.scored.folder,
                before=tuple(results.scored.earlier()),
            ),
        )

    def compare(self) -> CompareSettings:
        """The job that compares the pictures of all parts."""
        plan, results = self.plan, self.results
        copies = [detector for detector in plan.comparing if isinstance(detector, NearCopies)]
        concepts = [detector for detector in plan.comparing if isinstance(detector, Concepts)]
        languages = any(isinstance(detector, LanguagePairs) for detector in plan.comparing)
        deciding = needing(plan.detectors, Needs.PAIR, Needs.EVIDENCE)
        samples = results.scored.read_counts()["pair"].entered
        return CompareSettings(
            names=parts.part_names(results.extracted.folder),
            folders=self._before_comparing,
            output=results.compared.folder,
            copies=copies[0] if copies else None,
            concepts=concepts[0] if concepts else None,
            detectors=plan.comparing,
            # No ledger is written here, so that no secret is needed for its keys.
            rules=RuleSettings(plan.rules_before_comparing, deciding, b"", 1),
            division=Division.of(samples),
            samples=samples,
            spill=self._spill(results.compared),
            languages=languages,
        )

    def publish(self, staging: str, secret: bytes) -> flow.PublishJob:
        """The job that publishes every part.

        Shards go below `staging`, and `secret` makes the keys of the ledger.
        """
        plan, config, results = self.plan, self.plan.config, self.results
        embeddings = config.publish.embeddings
        # No more rows can be published; rules drop some of them.
        max_rows = results.scored.read_counts()["pair"].kept
        shards = shard_count(max_rows, config.publish.shards, config.publish.rows_per_shard)
        is_private = config.publish.sensitive == "private"
        subsets = (*SUBSETS, *subsets_of(plan.rules))
        folders = [f"dataset/{subset}" for subset in subsets]
        if embeddings == "npy":
            folders += [f"{EMBEDDINGS_FOLDER}/{subset}" for subset in subsets]
        folders.append(LEDGER_FOLDER)
        detectors = needing(plan.detectors, Needs.PAIR, Needs.EVIDENCE)
        return flow.PublishJob(
            names=parts.part_names(results.extracted.folder),
            folders=self._folders,
            rules=RuleSettings(plan.rules, detectors, secret, shards),
            redact=RedactSettings(shards, embeddings, config.publish.sensitive),
            shards=ShardSettings(
                staging,
                folders,
                shards,
                embedding_column=embeddings == "column",
                spill=self._spill(results.published),
                private=results.published.folder if is_private else "",
            ),
            results=results.published.folder,
        )

    def unfinished(self, folder: str) -> list[str]:
        """The parts that a stage has not written to its folder yet."""
        done = set(parts.part_names(folder))
        names = parts.part_names(self.results.extracted.folder)
        return [name for name in names if name not in done]

    def _spill(self, result: StageResult) -> str:
        """The folder for packed rows; empty for none, when workers share no local disk."""
        if self.one_machine and files.is_local(self.plan.config.work):
            return result.path(SPILLED)
        return ""

    @property
    def _before_comparing(self) -> SampleFolders:
        """The folders of pairs, images and scores."""
        results = self.results
        return SampleFolders(
            results.extracted.folder, results.fetched.folder, results.scored.folder
        )

    @property
    def _folders(self) -> SampleFolders:
        """The folders of pairs, images and scores, and of what `compare` found if it runs."""
        if not self.plan.comparing:
            return self._before_comparing
        return replace(self._before_comparing, compared=self.results.compared.folder)

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

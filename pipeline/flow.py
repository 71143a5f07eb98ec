"""The four jobs, read top to bottom.

extract   archives   -> pairs, deduplicated and grouped by the host of their image
fetch     pairs      -> images: their bytes, or where in the archive they lie
score     images     -> similarity and evidence, one row a pair
publish   samples    -> the rules decide; shards and ledger
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import apache_beam as beam

from filters.detector import Detector
from filters.registry import evidence_columns
from pairsieve.warc.reader import ReadSettings
from pairsieve.warc.source import ArchiveSettings
from transforms.extract import ExtractPairs
from transforms.extractor import ExtractSettings
from transforms.fetch.fetch import FetchImages
from transforms.fetch.lanes import Lane
from transforms.fetch.open_part import Consent
from transforms.fetch.part_shelf import FetchFolders
from transforms.fetch.store import StoreSettings
from transforms.fetch.web_lane import WebSource
from transforms.group import GroupByHost, GroupSettings, IndexLocations
from transforms.judge import JudgeSamples, JudgeSettings, SampleFolders
from transforms.known import KnownSettings, ReadKnown
from transforms.plumbing.gather import WriteEnd
from transforms.plumbing.route import PROBLEMS, TALLY
from transforms.read import LOCATIONS, InputSettings, ReadPieces, SplitInputs
from transforms.score.score import ScoreParts
from transforms.score.settings import ScoreFolders, ScoreSettings
from transforms.shard import ShardSettings, WriteShards

PROBLEMS_FILE, SHARDS_FILE = "problems.json", "shards.json"


@dataclass(frozen=True)
class ExtractJob:
    """What `extract` needs."""

    inputs: Sequence[str]
    input: InputSettings
    read: ReadSettings
    settings: ExtractSettings
    detectors: Sequence[Detector]
    group: GroupSettings
    known: KnownSettings | None = None


def extract(pipeline: beam.Pipeline, job: ExtractJob) -> None:
    """Archives (or links that others collected) -> parts of pairs."""
    split = (
        pipeline
        | "Files" >> beam.Create(list(job.inputs))
        | "Split" >> SplitInputs(job.input, job.read.options)
    )
    read = split.main | "Read" >> ReadPieces(job.read, job.input.columns, job.group.folder)
    extracted = read.main | "Extract" >> ExtractPairs(job.settings, job.detectors, job.group.folder)
    known = pipeline | "Known" >> ReadKnown(job.known) if job.known else None
    grouped = extracted.main | "Group by host" >> GroupByHost(
        job.group, evidence_columns(job.detectors), known
    )
    indexed = (
        [read[LOCATIONS] | "Index locations" >> IndexLocations(job.group)]
        if job.read.locate
        else []
    )
    tallies = (split[TALLY], read[TALLY], extracted[TALLY], grouped[TALLY], *indexed)
    problems = (split[PROBLEMS], read[PROBLEMS], extracted[PROBLEMS])
    _ = (tallies, problems) | "End" >> WriteEnd(job.group.folder, PROBLEMS_FILE)


@dataclass(frozen=True)
class FetchJob:
    """What `fetch` needs; parts that are there already are in no lane."""

    lanes: Sequence[Lane]
    consent: Consent
    source: WebSource | ArchiveSettings
    folders: FetchFolders
    store: StoreSettings
    transient: Sequence[str]


def fetch(pipeline: beam.Pipeline, job: FetchJob) -> None:
    """Parts of pairs -> parts of images.

    The element is a lane: its hosts are asked by one worker.
    """
    _ = (
        pipeline
        | "Lanes" >> beam.Create(list(job.lanes))
        | "Fetch" >> FetchImages(job.consent, job.source, job.folders, job.store, job.transient)
    )


@dataclass(frozen=True)
class ScoreJob:
    """What `score` needs; parts that are there already are not among `unfinished`. `hints`: Beam's,
    for the workers of this job.
    """

    unfinished: Sequence[str]
    settings: ScoreSettings
    detectors: Sequence[Detector]
    folders: ScoreFolders
    hints: Mapping[str, str] = field(default_factory=dict)


def score(pipeline: beam.Pipeline, job: ScoreJob) -> None:
    """Parts of images -> parts of scores. The element is a part: nothing is regrouped."""
    names = pipeline | "Parts" >> beam.Create(list(job.unfinished))
    _ = names | "Score" >> ScoreParts(job.settings, job.detectors, job.folders).with_resource_hints(
        **job.hints
    )


@dataclass(frozen=True)
class PublishJob:
    """What `publish` needs; `results` is a private folder for its tally."""

    names: Sequence[str]
    judge: JudgeSettings
    folders: SampleFolders
    shards: ShardSettings
    results: str


def publish(pipeline: beam.Pipeline, job: PublishJob) -> None:
    """Samples -> shards of the dataset and of the ledger."""
    judged = (
        pipeline
        | "Parts" >> beam.Create(list(job.names))
        | "Judge" >> JudgeSamples(job.judge, job.folders, job.results)
    )
    shards = judged.main | "Shard" >> WriteShards(job.shards)
    _ = ((judged[TALLY],), (shards,)) | "End" >> WriteEnd(
        job.results, SHARDS_FILE, most=job.shards.shards * len(job.shards.folders)
    )

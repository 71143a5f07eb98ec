"""The jobs, read top to bottom: every step has a name, and a comment says why it is there.

extract   archives   -> pairs, deduplicated and grouped by the host of their image
fetch     pairs      -> images: their bytes, or where in the archive they lie
score     images     -> similarity and evidence, one row a pair
compare   samples    -> which pairs show the same picture (only where a detector asks for it)
publish   samples    -> the rules decide; shards and ledger

Image bytes go through no shuffle. Rows with text go through two in all: pairs by host (about
100 bytes a pair) and rows by shard (about 150 bytes a row). The others carry file names and counts,
and in `compare` hashes of pictures.

Each step has one output. What it counted travels behind its results. Where a job shuffles rows,
each group behind the shuffle writes its counts to a file, and the command sums them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import apache_beam as beam

from filters.detector import Detector
from filters.registry import evidence_columns
from pairsieve.storage.job_end import GroupKey
from pairsieve.warc.reader import ReadSettings
from transforms.compare.compare import (
    Connect,
    CountConcepts,
    FindNear,
    FindNearVectors,
    GroupsByPart,
    ReadPictures,
    WriteCompared,
    every_part,
)
from transforms.compare.settings import CompareSettings
from transforms.deduplicate import Deduplicate
from transforms.domains import RankDomains
from transforms.extract import ExtractPairs
from transforms.extractor import ExtractSettings
from transforms.fetch.fetch import FetchImages, FetchSettings
from transforms.fetch.lanes import Lane
from transforms.group import GroupByHost, GroupSettings
from transforms.judge import ApplyRules
from transforms.known import GroupKnown, KnownSettings
from transforms.locations import IndexLocations
from transforms.plumbing.counting import COUNTS_KEY
from transforms.plumbing.group_results import WriteGroupResults
from transforms.plumbing.listing import ListElements
from transforms.read import InputSettings, ReadPieces, SplitInputs
from transforms.redact import RedactRows, RedactSettings
from transforms.rules import RuleSettings
from transforms.samples import ReadSamples, SampleFolders
from transforms.score.score import ScoreParts
from transforms.score.settings import ScoreFolders, ScoreSettings
from transforms.shard import PackByShard, ShardSettings, WriteLedger, WriteShards
from transforms.write_pairs import WritePairs


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

    @property
    def groups(self) -> list[GroupKey]:
        """The groups of the last shuffle: the job has ended when each has written its counts."""
        return [COUNTS_KEY, *self.group.all_keys]


def extract(pipeline: beam.Pipeline, job: ExtractJob) -> None:
    """Archives (or links that others collected) -> parts of pairs."""
    folder = job.group.folder
    start = pipeline | "Start" >> beam.Impulse()
    # Behind the inputs stands one element for an empty batch of every bucket.
    inputs = start | "List inputs" >> ListElements(job.inputs, every_group=True)

    # Large archives are cut at record borders, so that several workers read one file.
    pieces = inputs | "Split inputs" >> SplitInputs(job.input, job.read.options)

    # A reshuffle spreads the pieces over the workers: a file name and two numbers each.
    read = pieces | "Read archives" >> ReadPieces(job.read, job.input.columns, folder)

    # Page detectors run here, because the page is gone afterwards.
    extracted = read | "Extract pairs" >> ExtractPairs(job.settings, job.detectors, folder)

    # The one shuffle of pairs, packed to about 100 bytes each. A host then lies in one bucket:
    # duplicates of a URL meet, and one worker at a time asks a host. The places of pictures in the
    # archives go with them, about 15 bytes each.
    grouped = extracted | "Group by host" >> GroupByHost(job.group)

    # Pairs that earlier datasets have go to files, 16 bytes each. Only the names of these files
    # leave the worker. Those of an earlier run are there already.
    known = start | "Group known pairs" >> GroupKnown(job.known) if job.known else None

    # Evidence of all pages that show an image is united here, so that one page's refusal counts for
    # all. Then pairs that earlier datasets have are dropped.
    distinct = grouped | "Deduplicate" >> Deduplicate(job.group.identity, known)
    columns = evidence_columns(job.detectors)
    written = distinct | "Write pairs" >> WritePairs(job.group, columns)
    located = written | "Index locations" >> IndexLocations(job.group)

    # Every bucket writes what it has counted, and so does the group of all earlier counts. The job
    # has ended when all these files are there, so no worker waits for the others.
    _ = located | "Write counts" >> WriteGroupResults(folder)


@dataclass(frozen=True)
class FetchJob:
    """What `fetch` needs; parts that are there already are in no lane."""

    lanes: Sequence[Lane]
    settings: FetchSettings


def fetch(pipeline: beam.Pipeline, job: FetchJob) -> None:
    """Parts of pairs -> parts of images."""
    # A lane is the parts of several buckets. One worker fetches it, so that the limits of a host
    # hold although workers do not talk to each other.
    lanes = pipeline | "List lanes" >> beam.Create(list(job.lanes))

    # Rules that can save a request run first. Images go to files: nothing crosses a shuffle.
    _ = lanes | "Fetch images" >> FetchImages(job.settings)


@dataclass(frozen=True)
class ScoreJob:
    """What `score` needs; parts that are there already are not among `unfinished`.

    `hints` are Beam's resource hints for the workers of this job, as for an accelerator.
    """

    unfinished: Sequence[str]
    settings: ScoreSettings
    detectors: Sequence[Detector]
    folders: ScoreFolders
    hints: Mapping[str, str] = field(default_factory=dict)


def score(pipeline: beam.Pipeline, job: ScoreJob) -> None:
    """Parts of images -> parts of scores."""
    names = pipeline | "List parts" >> beam.Create(list(job.unfinished))

    # The element is a part, so that nothing has to be regrouped after the model.
    scoring = ScoreParts(job.settings, job.detectors, job.folders)
    _ = names | "Score parts" >> scoring.with_resource_hints(**job.hints)


def compare(pipeline: beam.Pipeline, job: CompareSettings) -> None:
    """Parts of samples -> parts of what the comparison of all pictures found."""
    numbers = pipeline | "List parts" >> beam.Create(range(len(job.names)))
    # Every part is written, also one without pictures.
    by_part = numbers | "Every part" >> beam.Map(every_part)

    if job.copies:
        # The rules decide which pairs can represent a picture. Equal hashes are one picture.
        pictures = numbers | "Read pictures" >> ReadPictures(job)

        # Hashes meet by their bands, so that no picture is compared with all.
        near = pictures | "Find near hashes" >> FindNear(job, job.copies)
        if job.copies.cosine is not None:
            # Vectors meet by the cells that they lie in.
            by_vector = numbers | "Find near vectors" >> FindNearVectors(job, job.copies.cosine)
            near = (near, by_vector) | "All near pictures" >> beam.Flatten()
        # Pictures that are near to each other, directly or by others, are one group.
        groups = near | "Connect" >> Connect(job)

        # Each picture gets its group, and each part the groups of its own pictures.
        of_groups = (pictures, groups) | "Groups by part" >> GroupsByPart(job)
        by_part = (by_part, of_groups) | "With groups" >> beam.Flatten()

    if job.concepts or job.languages:
        # What captions name is counted over all samples that the rules let pass.
        of_concepts = numbers | "Count concepts" >> CountConcepts(job)
        by_part = (by_part, of_concepts) | "With concepts" >> beam.Flatten()

    # A part is read again, so that none of its rows has gone through a shuffle.
    _ = by_part | "By part" >> beam.GroupByKey() | "Write" >> WriteCompared(job)


@dataclass(frozen=True)
class PublishJob:
    """What `publish` needs; `results` is a private folder for its counts."""

    names: Sequence[str]
    folders: SampleFolders
    rules: RuleSettings
    redact: RedactSettings
    shards: ShardSettings
    results: str

    @property
    def groups(self) -> list[GroupKey]:
        """The groups of the last shuffle: the job has ended when each has written its counts."""
        return [COUNTS_KEY, *self.shards.all_keys]


def publish(pipeline: beam.Pipeline, job: PublishJob) -> None:
    """Samples -> shards of the dataset and of the ledger."""
    start = pipeline | "Start" >> beam.Impulse()
    # Behind the parts stands one element for an empty batch of every shard.
    names = start | "List parts" >> ListElements(job.names, every_group=True)

    # The element is a part: its samples as the columns of three files.
    samples = names | "Read samples" >> ReadSamples(job.folders)

    # The rules decide on the evidence, by columns first; each decision is an entry of the ledger.
    # The elements are still parts: all rows of a part together, which a runner hands on faster
    # than row by row.
    decided = samples | "Apply rules" >> ApplyRules(job.rules, job.results)

    # Personal data is cut out before a row goes anywhere.
    rows = decided | "Redact" >> RedactRows(job.redact)

    # Rows and ledger entries share one shuffle: about 150 bytes a row, with embeddings 2 bytes a
    # dimension more. They are packed first, because the local runner holds what it shuffles.
    packed = rows | "Pack by shard" >> PackByShard(job.shards)
    grouped = packed | "Group by shard" >> beam.GroupByKey()
    shards = grouped | "Write shards" >> WriteShards(job.shards)
    written = shards | "Write ledger" >> WriteLedger(job.shards)
    ranked = written | "Rank domains" >> RankDomains()

    # Every shard writes its entry for the list of files, and its numbers for card and report, so
    # that nothing reads the rows again: a few kB. The job has ended when all these files are there.
    _ = ranked | "Write counts" >> WriteGroupResults(job.results)

"""The three jobs of `pairsieve recheck`, read top to bottom.

choose   shards      -> parts of links that have their turn, by the host of their image
ask      links       -> what each of them serves now
pages    a new crawl -> pages that refuse now

pipeline/dataset/recheck.py commits the result after these jobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import apache_beam as beam

from filters.rights.rights import Rights
from pairsieve.storage.job_end import GroupKey
from pairsieve.warc.reader import ReadSettings
from transforms.fetch.lanes import Lane
from transforms.plumbing.counting import COUNTS_KEY
from transforms.plumbing.group_results import WriteGroupResults
from transforms.plumbing.listing import ListElements
from transforms.read import InputSettings, ReadPieces, SplitInputs
from transforms.recheck.choose import ChooseLinks, ChooseSettings, ReadRows
from transforms.recheck.lane import Asker, AskLinks
from transforms.recheck.pages import PAGE_KEYS, JudgePages


@dataclass(frozen=True)
class ChooseJob:
    """What `choose` needs: the paths of the dataset's shards."""

    shards: Sequence[str]
    settings: ChooseSettings


def choose(pipeline: beam.Pipeline, job: ChooseJob) -> None:
    """Shards -> parts of the links that are asked this time."""
    shards = pipeline | "List shards" >> beam.Create(list(job.shards))

    # A reshuffle spreads the shards over the workers: a path each.
    spread = shards | "Spread shards" >> beam.Reshuffle()
    rows = spread | "Read rows" >> ReadRows(job.settings.own_names)

    # The one shuffle of rows. A host then lies in one bucket, where what is known of its links lies
    # too, and rows of one URL meet.
    _ = rows | "Choose links" >> ChooseLinks(job.settings)


@dataclass(frozen=True)
class AskJob:
    """What `ask` needs; parts that are there already are in no lane."""

    lanes: Sequence[Lane]
    asker: Asker


def ask(pipeline: beam.Pipeline, job: AskJob) -> None:
    """Parts of links -> parts of what they serve."""
    # A lane is the parts of several buckets, and one worker has it, as in the fetch: limits of a
    # host hold without any talk between workers.
    lanes = pipeline | "List lanes" >> beam.Create(list(job.lanes))

    # Nothing crosses a shuffle: what was seen goes to files.
    _ = lanes | "Ask links" >> AskLinks(job.asker)


@dataclass(frozen=True)
class PagesJob:
    """What `pages` needs: the files of the crawl, and the folder for what was found."""

    inputs: Sequence[str]
    input: InputSettings
    read: ReadSettings
    rights: Rights
    folder: str

    @property
    def groups(self) -> list[GroupKey]:
        """The groups of the last shuffle: the job has ended when each has written its counts."""
        return [COUNTS_KEY, *PAGE_KEYS]


def pages(pipeline: beam.Pipeline, job: PagesJob) -> None:
    """A newer crawl -> parts of the pages that refuse in it."""
    start = pipeline | "Start" >> beam.Impulse()
    inputs = start | "List inputs" >> ListElements(job.inputs, every_group=True)

    # As in extract: large archives are cut, and damage is counted.
    pieces = inputs | "Split inputs" >> SplitInputs(job.input, job.read.options)
    read = pieces | "Read archives" >> ReadPieces(job.read, job.input.columns, job.folder)

    # Captures of one page meet, so that its newest word counts.
    judged = read | "Judge pages" >> JudgePages(job.rights, job.folder)

    # Every group writes what it has counted: the job has ended when each of them has.
    _ = judged | "Write counts" >> WriteGroupResults(job.folder)

"""Parts to samples: a pair, its image and its score are one row each of three aligned parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apache_beam as beam

from pairsieve.records.pair import PAIR_SCHEMA, Pair
from pairsieve.records.sample import IMAGE_SCHEMA, SCORE_SCHEMA, Image, Sample, Score
from pairsieve.records.table import from_table
from pairsieve.storage import parts
from transforms.plumbing.working_on import WorkingOn


@dataclass(frozen=True)
class SampleFolders:
    """The folders of the three row-aligned parts."""

    pairs: str
    images: str
    scores: str


def read_samples(name: str, folders: SampleFolders) -> Iterator[Sample]:
    """The samples of one part, in the order of its rows."""
    with WorkingOn(name):
        pairs = from_table(parts.read_part(folders.pairs, name), Pair, PAIR_SCHEMA)
        images = from_table(parts.read_part(folders.images, name), Image, IMAGE_SCHEMA)
        scores = from_table(parts.read_part(folders.scores, name), Score, SCORE_SCHEMA)
    yield from map(Sample, pairs, images, scores)


@dataclass
class ReadSamples(beam.PTransform):  # type: ignore[misc]
    """Part names -> samples."""

    folders: SampleFolders

    def expand(self, names: beam.PCollection) -> beam.PCollection:
        return names | "Read parts" >> beam.FlatMap(read_samples, folders=self.folders)

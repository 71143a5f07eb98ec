"""Parts to samples: a pair, its image and its score are one row each of three aligned parts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import apache_beam as beam

from pairsieve.records.sample_table import SampleTable
from pairsieve.storage import parts
from transforms.plumbing.own import on_own


@dataclass(frozen=True)
class SampleFolders:
    """The folders of the three row-aligned parts."""

    pairs: str
    images: str
    scores: str


def read_samples(name: str, folders: SampleFolders) -> SampleTable:
    """The samples of one part, in the order of its rows. Raises Damaged."""
    return SampleTable(
        name,
        parts.read_part(folders.pairs, name),
        parts.read_part(folders.images, name),
        parts.read_part(folders.scores, name),
    )


@dataclass
class ReadSamples(beam.PTransform):  # type: ignore[misc]
    """Part names -> SampleTable, one a part. What is no name passes."""

    folders: SampleFolders

    def expand(self, names: beam.PCollection) -> beam.PCollection:
        read = partial(read_samples, folders=self.folders)
        return names | "Read parts" >> on_own(_is_name, read)


def _is_name(element: object) -> bool:
    return isinstance(element, str)

"""Parts to samples: a pair, its image and its score are one row each of three aligned parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from pairsieve.records.sample_table import SampleTable
from pairsieve.storage import parts
from transforms.plumbing.working_on import WorkingOn


@dataclass(frozen=True)
class SampleFolders:
    """The folders of the three row-aligned parts."""

    pairs: str
    images: str
    scores: str


def read_samples(name: str, folders: SampleFolders) -> SampleTable:
    """The samples of one part, in the order of its rows. Raises Damaged."""
    with WorkingOn(name):
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
        return names | "Read parts" >> beam.Map(_read_or_pass, folders=self.folders)


def _read_or_pass(element: Any, folders: SampleFolders) -> Any:
    return read_samples(element, folders) if isinstance(element, str) else element

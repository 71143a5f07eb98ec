"""Parts to samples: a pair, its image and its score are one row each of three aligned parts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import apache_beam as beam
import pyarrow as pa

from pairsieve.records.sample_table import SampleTable
from pairsieve.storage import parts
from transforms.plumbing.own import on_own


@dataclass(frozen=True)
class SampleFolders:
    """The folders of the row-aligned parts; `compared` is empty where nothing was compared."""

    pairs: str
    images: str
    scores: str
    compared: str = ""


def read_samples(name: str, folders: SampleFolders) -> SampleTable:
    """The samples of one part, in the order of its rows. Raises Damaged."""
    scores = parts.read_part(folders.scores, name)
    if folders.compared:
        scores = _with_compared(scores, parts.read_part(folders.compared, name))
    return SampleTable(
        name,
        parts.read_part(folders.pairs, name),
        parts.read_part(folders.images, name),
        scores,
    )


def _with_compared(scores: pa.Table, compared: pa.Table) -> pa.Table:
    """Scores with what `compare` found as further evidence, and with its errors."""
    if not compared.column("key").equals(scores.column("key")):
        raise ValueError("the compared pairs are not the pairs that were scored")
    own, further = scores.column("errors").to_pylist(), compared.column("errors").to_pylist()
    # Without an error the column of the scores stays as it is.
    if any(further):
        errors = [[*first, *second] for first, second in zip(own, further, strict=True)]
        place = scores.schema.get_field_index("errors")
        scores = scores.set_column(place, scores.schema.field(place), [errors])
    for name in compared.column_names:
        if name not in ("key", "errors"):
            scores = scores.append_column(compared.schema.field(name), compared.column(name))
    return scores


@dataclass
class ReadSamples(beam.PTransform):  # type: ignore[misc]
    """Part names -> SampleTable, one a part. Elements that are not names pass."""

    folders: SampleFolders

    def expand(self, names: beam.PCollection) -> beam.PCollection:
        read = partial(read_samples, folders=self.folders)
        return names | "Read parts" >> on_own(_is_name, read)


def _is_name(element: object) -> bool:
    return isinstance(element, str)

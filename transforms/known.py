"""Reads the pairs of earlier datasets, so that they are not taken again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import apache_beam as beam

from pairsieve.links.tables import RowGroup, read_row_group, row_groups
from pairsieve.records.choices import Identity
from pairsieve.storage import files
from pairsieve.web.text import clean_caption
from pairsieve.web.urls import absolute, bucket_of_url
from transforms.deduplicate import identity_of
from transforms.group import PAIRS, BucketKey, KnownPair


@dataclass(frozen=True)
class KnownSettings:
    """The parquet files of earlier datasets.

    `columns` names their columns where they are not those of a known dataset. `identity` says which
    pairs are the same. `options` go to fsspec.
    """

    paths: tuple[str, ...]
    buckets: int
    identity: Identity
    columns: Mapping[str, str] = field(default_factory=dict)
    options: files.Options = field(default_factory=dict)


def known_identities(
    group: RowGroup, settings: KnownSettings
) -> Iterator[tuple[BucketKey, KnownPair]]:
    """Yield (BucketKey, identity) of each row of a table."""
    for link in read_row_group(group, settings.columns, settings.options):
        url = absolute(link.url, "")
        if url is None:
            continue  # no pair can have it
        identity = identity_of(url, clean_caption(link.caption), settings.identity)
        yield (PAIRS, bucket_of_url(url, settings.buckets)), (identity,)


@dataclass
class ReadKnown(beam.PTransform):  # type: ignore[misc]
    """A pipeline -> (BucketKey, identity) of every pair of the earlier datasets.

    A file that cannot be read stops the job: otherwise its pairs would be taken again.
    """

    settings: KnownSettings

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        return (
            pipeline
            | "Known files" >> beam.Create(list(self.settings.paths))
            | "Known row groups" >> beam.FlatMap(partial(row_groups, options=self.settings.options))
            # Otherwise the worker that lists the row groups of a file also reads them all.
            | "Spread known" >> beam.Reshuffle()
            | "Known identities" >> beam.FlatMap(partial(known_identities, settings=self.settings))
        )

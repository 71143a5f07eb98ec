"""Pairs of earlier datasets, as identities that are not taken again."""

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
from transforms.group import KnownPair


@dataclass(frozen=True)
class KnownSettings:
    """The parquet files of earlier datasets, how their columns are called, and what counts as the
    same.
    """

    paths: tuple[str, ...]
    buckets: int
    identity: Identity
    columns: Mapping[str, str] = field(default_factory=dict)
    options: files.Options = field(default_factory=dict)


def known_identities(group: RowGroup, settings: KnownSettings) -> Iterator[tuple[int, KnownPair]]:
    """(bucket, identity) of each row; what is no URL cannot be met again."""
    for link in read_row_group(group, settings.columns, settings.options):
        url = absolute(link.url, "")
        if url is not None:
            yield (
                bucket_of_url(url, settings.buckets),
                (identity_of(url, clean_caption(link.caption), settings.identity),),
            )


@dataclass
class ReadKnown(beam.PTransform):  # type: ignore[misc]
    """A pipeline -> (bucket, identity) of every pair of the earlier datasets.

    What cannot be read stops the job.
    """

    settings: KnownSettings

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        return (
            pipeline
            | "Known files" >> beam.Create(list(self.settings.paths))
            | "Known row groups" >> beam.FlatMap(partial(row_groups, options=self.settings.options))
            | "Spread known" >> beam.Reshuffle()
            | "Known identities" >> beam.FlatMap(partial(known_identities, settings=self.settings))
        )

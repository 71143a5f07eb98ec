"""Counts rows by the registered domain of their picture, for the top list of card and report.

The number of distinct domains grows with the rows. So they are summed in buckets by their hash:
each worker holds some domains, and only the largest of each bucket are passed on.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import apache_beam as beam

from pairsieve.records.aggregates import Aggregates, Largest
from pairsieve.storage.job_end import GroupKey, GroupResult
from transforms.plumbing.own import kind_of_group, on_own

DOMAINS = "domains"
"""The kind of a key under which domains go through the shuffle of shards."""

DOMAIN_BUCKETS = 64
"""A crawl of 10 million domains then has 160,000 in each: some 20 MB in a worker."""

DomainKey = GroupKey
"""(DOMAINS, number of the bucket)."""

DOMAIN_KEYS: list[DomainKey] = [(DOMAINS, bucket) for bucket in range(DOMAIN_BUCKETS)]


def bucket_of_domain(domain: str) -> int:
    """The bucket of a domain: the same on every machine, as Python's own hash is not."""
    return zlib.crc32(domain.encode()) % DOMAIN_BUCKETS


def pack_domains(rows_of: Mapping[str, int]) -> Iterator[tuple[DomainKey, bytes]]:
    """(DomainKey, its domains with their rows) for each bucket that has any."""
    buckets: dict[int, dict[str, int]] = {}
    for domain, rows in rows_of.items():
        buckets.setdefault(bucket_of_domain(domain), {})[domain] = rows
    for bucket, in_bucket in buckets.items():
        # About 15 bytes a domain.
        yield (DOMAINS, bucket), zlib.compress(json.dumps(in_bucket).encode(), 1)


def largest_domains(batches: Iterable[bytes]) -> Largest:
    """The top list of one bucket. No domain is in another bucket, so it is exact."""
    total: Counter[str] = Counter()
    # One batch of each bucket is empty.
    for batch in filter(None, batches):
        rows_of: Mapping[str, int] = json.loads(zlib.decompress(batch))
        total.update(rows_of)
    return Largest.of(total)


def _result_of_domains(group: tuple[DomainKey, Iterable[bytes]]) -> GroupResult:
    """The top list of a bucket. A domain is in one bucket, so these lists are merged exactly."""
    key, batches = group
    return GroupResult(key, aggregates=Aggregates(domains=largest_domains(batches)))


@dataclass
class RankDomains(beam.PTransform):  # type: ignore[misc]
    """Groups of domains -> GroupResult, with the largest of each. Everything else passes."""

    def expand(self, groups: beam.PCollection) -> beam.PCollection:
        return groups | "Largest of each bucket" >> on_own(_are_domains, _result_of_domains)


def _are_domains(element: Any) -> bool:
    return kind_of_group(element) == DOMAINS

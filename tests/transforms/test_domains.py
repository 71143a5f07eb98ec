"""Domains counted in buckets: the same list as of all domains together."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pairsieve.records.aggregates import Aggregates, Largest, sum_aggregates
from transforms.domains import DOMAIN_BUCKETS, bucket_of_domain, largest_domains, pack_domains

domain_counts = st.dictionaries(st.text("abé.", min_size=1, max_size=3), st.integers(1, 9))


@given(shards=st.lists(domain_counts, max_size=5))
def test_domains_in_buckets_are_the_domains_of_all(shards):
    grouped: dict[int, list[bytes]] = {}
    for domains in shards:
        for (_, bucket), packed in pack_domains(domains):
            # the empty batch of every bucket
            grouped.setdefault(bucket, [b""]).append(packed)
    tops = map(largest_domains, grouped.values())
    total = sum_aggregates(Aggregates(domains=top) for top in tops)
    assert total.domains == Largest.of(sum(map(Counter, shards), Counter()))


def test_buckets_of_domains_are_spread_and_never_change():
    buckets = Counter(bucket_of_domain(f"host{number}.example") for number in range(6400))
    assert len(buckets) == DOMAIN_BUCKETS
    assert max(buckets.values()) < 200
    # the check value of CRC-32 (ISO-HDLC) in the catalogue of CRC algorithms
    assert bucket_of_domain("123456789") == 0xCBF43926 % DOMAIN_BUCKETS

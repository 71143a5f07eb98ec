"""The end of publish: the same files whatever the runner does with bundles and workers."""

from __future__ import annotations

import json
from collections import Counter

import apache_beam as beam
import pytest
from apache_beam.testing import test_pipeline
from hypothesis import given
from hypothesis import strategies as st

from pairsieve.records.aggregates import Aggregates, Largest, read_aggregates
from pairsieve.storage.job_end import AGGREGATES_FILE, SHARDS_FILE, TALLY_FILE, read_tally
from transforms import aggregate
from transforms.aggregate import PublishEnd, WriteResult, merge_ends
from transforms.domains import DOMAIN_BUCKETS, bucket_of_domain, largest_domains, pack_domains
from transforms.plumbing.counting import COUNTS_KEY, Counts
from transforms.shard import WrittenShard

RESULT = (AGGREGATES_FILE, SHARDS_FILE, TALLY_FILE)


def shard(number: int, domains: dict[str, int]) -> WrittenShard:
    counted = Aggregates(
        rows=sum(domains.values()),
        columns=("URL", "LANGUAGE"),
        counted={"LANGUAGE": Counter({"en": number + 1})},
        measured={"WIDTH": Counter({7: 1, number: 2})},
    )
    info = (f"dataset/en/part-{number}.parquet", number, 10, "ab")
    return WrittenShard(info, counted)


DOMAINS = [
    Counter({f"d{number}.example": number + 1 for number in range(40)}),
    Counter({"d3.example": 100, "é.example": 5}),
    Counter(),
]
SHARDS = [shard(number, domains) for number, domains in enumerate(DOMAINS)]
LEDGER = [
    WrittenShard(("ledger/part-0", 3, 10, "cd"), Aggregates(reasons=Counter({("a",) * 4: 3})))
]
TALLIES = [{("sample", "in", ""): 3}, {("sample", "in", ""): 4, ("sample", "kept", ""): 7}]


def run(folder, shards, tallies) -> list[bytes]:
    with test_pipeline.TestPipeline() as pipeline:
        start = pipeline | beam.Impulse()
        written = pipeline | "Shards" >> beam.Create([*shards, *LEDGER])
        keyed = [(COUNTS_KEY, Counts(tally, [])) for tally in tallies]
        keyed += [packed for domains in DOMAINS for packed in pack_domains(domains)]
        groups = pipeline | "Keyed" >> beam.Create(keyed) | beam.GroupByKey()
        _ = (written, groups) | beam.Flatten() | WriteResult(start, str(folder))
    return [(folder / name).read_bytes() for name in RESULT]


def test_the_result_of_a_job(tmp_path):
    result = run(tmp_path / "one", SHARDS, TALLIES)
    assert run(tmp_path / "two", SHARDS[::-1], TALLIES[::-1]) == result

    total = sum(DOMAINS, Counter())
    aggregates = read_aggregates(result[0].decode())
    assert aggregates.domains == Largest.of(total)
    assert aggregates.domains.largest[0] == ("d3.example", 104)
    assert aggregates.rows == total.total()
    assert aggregates.counted == {"LANGUAGE": {"en": 6}}
    assert aggregates.measured == {"WIDTH": {7: 3, 0: 2, 1: 2, 2: 2}}
    assert aggregates.reasons == {("a",) * 4: 3}
    listed = [tuple(info) for info in json.loads(result[1])]
    assert listed == sorted(one.file for one in [*SHARDS, *LEDGER])
    assert read_tally(str(tmp_path / "one"))["sample", "in", ""] == 7


def test_the_tally_is_written_last(tmp_path, monkeypatch):
    """A killed job that has ended by its tally has its other files too."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(aggregate, "write_end", killed)
    with pytest.raises(KeyboardInterrupt):
        aggregate.write_publish_end(PublishEnd(), str(tmp_path))
    assert (tmp_path / AGGREGATES_FILE).exists()
    assert not (tmp_path / TALLY_FILE).exists()


domain_counts = st.dictionaries(st.text("abé.", min_size=1, max_size=3), st.integers(1, 9))


@given(shards=st.lists(domain_counts, max_size=5))
def test_domains_in_buckets_are_the_domains_of_all(shards):
    grouped: dict[int, list[bytes]] = {}
    for domains in shards:
        for (_, bucket), packed in pack_domains(domains):
            grouped.setdefault(bucket, []).append(packed)
    tops = map(largest_domains, grouped.values())
    found = merge_ends(PublishEnd(aggregates=Aggregates(domains=top)) for top in tops)
    assert found.aggregates.domains == Largest.of(sum(map(Counter, shards), Counter()))


def test_buckets_of_domains_are_spread_and_never_change():
    buckets = Counter(bucket_of_domain(f"host{number}.example") for number in range(6400))
    assert len(buckets) == DOMAIN_BUCKETS
    assert max(buckets.values()) < 200
    # the check value of CRC-32 (ISO-HDLC) in the catalogue of CRC algorithms
    assert bucket_of_domain("123456789") == 0xCBF43926 % DOMAIN_BUCKETS

"""Chooses the links of a recheck: those that were asked longest ago, in each bucket of hosts.

The rows of a dataset are grouped by the host of their image, so that rows of one URL meet, and what
earlier rechecks know of them lies in one file. Each bucket gives the same share of its links: no
worker has to know the others, and every host gets its share of the requests.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import blake2b
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq

from pairsieve.recheck.links import (
    ASKED_SCHEMA,
    AskedLink,
    Link,
    read_links,
    readable_sha256,
    table_of,
    write_links,
)
from pairsieve.records.foreign import as_ours
from pairsieve.records.outcome import Tally
from pairsieve.records.packed import pack_rows, unpack_rows
from pairsieve.storage import files, openers, parts
from pairsieve.web.urls import bucket_of_url, host_of, url_digest, url_id
from transforms.plumbing.packing import PackByKey
from transforms.plumbing.working_on import named

COLUMNS = ("URL", "sha256", "size_bytes", "fetched_at", "pdq", "final_url")
DAY_CHARS = len("2026-01-31")
SUMMARIES = "chosen"
"""The folder, below the chosen parts, with one Chosen a bucket."""

Row = tuple[str, str, int | None, str, str, str]
"""The cells of COLUMNS."""


@dataclass(frozen=True)
class ChooseSettings:
    """Which links are asked.

    `share`: of the links of each bucket. `whole_share`: of these, how many are asked for the whole
    picture. `per_host`: how many links of one host are asked at most; None sets no limit. `seed`
    and `round_number` draw among links of the same day. `own_names` maps our names of columns to
    the dataset's. `links` is the folder of what is known, `asked` that of the parts.
    """

    share: float
    whole_share: float
    per_host: int | None
    seed: int
    round_number: int
    buckets: int
    part_rows: int
    own_names: Mapping[str, str]
    links: str
    asked: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was chosen of a bucket: of `links`, `asked` now. `postponed` had their turn, but their
    host has more links than it can be asked in the time of a recheck.
    """

    links: int
    asked: int
    postponed: int


def rows_of_shard(path: str, own_names: Mapping[str, str]) -> Iterator[Row]:
    """Yield the rows of a shard that have a URL of the web."""
    with openers.open_columns(path) as stream:
        shard = pq.ParquetFile(stream)
        # our name of a column -> its name in the shard, for those that the shard has
        names = {name: own_names.get(name, name) for name in COLUMNS}
        names = {ours: own for ours, own in names.items() if own in shard.schema_arrow.names}
        own_columns = list(names.values())
        for batch in shard.iter_batches(columns=own_columns):
            table = pa.Table.from_batches([batch]).select(own_columns)
            renamed = table.rename_columns(list(names))
            for row in as_ours(renamed).to_pylist():
                if host_of(row.get("URL") or ""):
                    yield _row(row)


def _row(row: Mapping[str, Any]) -> Row:
    sha256 = readable_sha256(row.get("sha256"))
    size = row.get("size_bytes")
    fetched_at = row.get("fetched_at") or ""
    pdq = row.get("pdq") or ""
    final_url = row.get("final_url") or ""
    return row["URL"], sha256, size, fetched_at, pdq, final_url


def links_of_rows(rows: Iterable[Row], known: Mapping[bytes, Link]) -> list[AskedLink]:
    """One link for each URL, with what is known of it."""
    by_url: dict[str, list[Row]] = {}
    for row in rows:
        by_url.setdefault(row[0], []).append(row)
    links = []
    for url, of_url in by_url.items():
        # The least, so that the order of the shards makes no difference.
        first = min(of_url, key=_without_nulls)
        link = AskedLink(
            url=url,
            hashes=tuple(sorted({row[1] for row in of_url if row[1]})),
            size_bytes=first[2],
            fetched_at=first[3],
            pdq=first[4],
            final_url=first[5],
            rows=len(of_url),
            whole=False,
            before=known.get(url_id(url)),
        )
        links.append(link)
    return links


def _without_nulls(row: Row) -> tuple[Any, ...]:
    return tuple(cell or "" if isinstance(cell, str) else cell or 0 for cell in row)


def choose(links: Sequence[AskedLink], bucket: int, settings: ChooseSettings) -> list[AskedLink]:
    """The links of one bucket that have their turn: asked longest ago first, then by lot."""
    draw = partial(_draw, settings.seed, settings.round_number)
    # Rounded by lot: of many small buckets each would else give one link, or none would.
    number = int(settings.share * len(links) + draw(b"bucket %d" % bucket))

    def turn_of(link: AskedLink) -> tuple[str, float]:
        return _asked_on(link), draw(url_id(link.url))

    return sorted(links, key=turn_of)[:number]


def _asked_on(link: AskedLink) -> str:
    """The day on which a link was asked last: in an earlier recheck, or when it was fetched."""
    asked_at = link.before.asked_at if link.before else ""
    return (asked_at or link.fetched_at)[:DAY_CHARS]


def _draw(seed: int, round_number: int, content: bytes) -> float:
    """A number from 0 to below 1, which looks random and is the same on every machine."""
    key = b"%d %d " % (seed, round_number)
    digest = blake2b(key + content, digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2**56


def within_host_limit(
    links: Iterable[AskedLink], per_host: int | None
) -> tuple[list[AskedLink], int]:
    """The first `per_host` links of each host, and how many are left out."""
    if per_host is None:
        return list(links), 0
    kept, left_out, asked = list[AskedLink](), 0, Counter[str]()
    for link in links:
        host = host_of(link.url)
        asked[host] += 1
        if asked[host] > per_host:
            left_out += 1
        else:
            kept.append(link)
    return kept, left_out


def write_chosen(bucket: tuple[int, Iterable[bytes]], settings: ChooseSettings) -> None:
    """Write the parts of one bucket, and what is known of its links without those that are gone
    from the dataset.
    """
    number, batches = bucket
    rows = [row for batch in batches for row in unpack_rows(batch)]
    known = read_links(settings.links, number)
    links = links_of_rows(rows, known)
    # Nothing is kept of a link that is not published any more.
    published = {url_id(link.url) for link in links}
    if not known.keys() <= published:
        kept = {link_id: link for link_id, link in known.items() if link_id in published}
        write_links(settings.links, number, kept)

    turn = choose(links, number, settings)
    asked, postponed = within_host_limit(turn, settings.per_host)
    # Another seed than that of `choose`, so that the two draws do not depend on each other.
    draw_whole = partial(_draw, settings.seed + 1, settings.round_number)
    drawn = [
        replace(link, whole=draw_whole(url_id(link.url)) < settings.whole_share) for link in asked
    ]
    # In the order of their digests the hosts of a bucket are mixed.
    drawn.sort(key=lambda link: url_digest(link.url))
    for chunk, start in enumerate(range(0, len(drawn), settings.part_rows)):
        table = table_of(drawn[start : start + settings.part_rows], ASKED_SCHEMA)
        parts.write_part(settings.asked, parts.part_name(number, chunk), table, Tally())
    summary = Chosen(len(links), len(asked), postponed)
    path = files.join(settings.asked, SUMMARIES, f"{number:05d}.json")
    # Not synced: it is read once, before the file of the round is written.
    files.write_text(path, json.dumps(asdict(summary)), synced=False)


def read_chosen(asked: str) -> Chosen:
    """What was chosen of all buckets together."""
    folder = files.join(asked, SUMMARIES)
    total = Counter[str]()
    for name in files.names_in(folder, ".json"):
        total.update(json.loads(files.read_text(files.join(folder, name))))
    return Chosen(total["links"], total["asked"], total["postponed"])


@dataclass
class ReadRows(beam.PTransform):  # type: ignore[misc]
    """Paths of shards -> their rows, as tuples of COLUMNS."""

    own_names: Mapping[str, str]

    def expand(self, paths: beam.PCollection) -> beam.PCollection:
        read = named(rows_of_shard)
        return paths | "Read shards" >> beam.FlatMap(read, own_names=dict(self.own_names))


@dataclass
class ChooseLinks(beam.PTransform):  # type: ignore[misc]
    """Rows -> parts of links in `settings.asked`. One shuffle, about 200 bytes a row."""

    settings: ChooseSettings

    def expand(self, rows: beam.PCollection) -> beam.PCollection:
        key_of = partial(_bucket_of, buckets=self.settings.buckets)
        packed = rows | "Pack by host" >> beam.ParDo(PackByKey(_kind_of, key_of, _pack))
        grouped = packed | "Group hosts" >> beam.GroupByKey()
        return grouped | "Write parts" >> beam.Map(named(write_chosen), settings=self.settings)


def _bucket_of(row: Row, buckets: int) -> int:
    return bucket_of_url(row[0], buckets)


def _kind_of(_bucket: int) -> str:
    return "links"


def _pack(_bucket: int, rows: Sequence[Row]) -> bytes:
    return pack_rows(rows)

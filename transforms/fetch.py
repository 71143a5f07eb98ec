"""Pairs to images: what may not be asked for is not asked for, the rest is asked for once, and every URL gets one status."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import apache_beam as beam

from archive.source import ArchiveSettings, fetch_from_archive, read_locations
from filters.attempt import Failure, attempt
from filters.detector import Columns, Detector, Observe
from filters.observe import load_all
from filters.registry import evidence_columns
from filters.rule import Rule
from filters.subjects import Response
from filters.verdict import judge
from records.outcome import Counted, Rejection, tally_of
from records.page import Headers
from records.pair import PAIR_SCHEMA, Evidence, Pair
from records.sample import IMAGE_SCHEMA, Image, pair_columns
from records.table import from_table, schema_with, to_table
from storage import parts
from transforms.group import locations_path
from transforms.route import Work, routed
from web.answer import Answer, Order, Refuse, Take
from web.client import Client, ClientSettings, open_client
from web.schedule import Schedule

NOT_REQUESTED, REFUSED_BY_RESPONSE, ERROR = "not_requested", "refused_by_response", "error"

Ask = Callable[[Iterable[str], Refuse, Take], None]


@dataclass(frozen=True)
class Consent:
    """What stands between a pair and a request: the rules that can save one, and what they read."""

    rules: Sequence[Rule]
    pair_detectors: Sequence[Detector]
    response_detectors: Sequence[Detector]


@dataclass(frozen=True)
class FetchFolders:
    """Where the pairs are, where images go, and where picture bytes go while they are needed."""

    pairs: str
    images: str
    pictures: str


@dataclass(frozen=True)
class Gate:
    """Consent with its detectors loaded."""

    rules: Sequence[Rule]
    observe_pair: Observe
    observe_response: Observe
    response_columns: Columns

    def evidence_of(self, pair: Pair) -> Evidence:
        """What is known before anything is asked for."""
        return {**pair_columns(pair), **self.observe_pair(pair)}

    def allows(self, evidence: Evidence) -> bool:
        return judge(self.rules, evidence).drop is None


def load_gate(consent: Consent) -> Gate:
    """Load the detectors that consent needs."""
    return Gate(
        consent.rules, load_all(consent.pair_detectors), load_all(consent.response_detectors), evidence_columns(consent.response_detectors)
    )


def fetch_part(pairs: Sequence[Pair], gate: Gate, ask: Ask, store: Callable[[str, bytes], None]) -> list[Image]:
    """The image of each pair, in the order of the pairs; one request for each URL that may be asked for.

    `store` gets (sha256, bytes) of every picture that does not stay in an archive.
    """
    refused: dict[bytes, Image] = {}
    admitted: dict[str, Evidence] = {}
    for pair in pairs:
        evidence = attempt(gate.evidence_of, pair)
        allowed = evidence if isinstance(evidence, Failure) else attempt(gate.allows, evidence)
        if isinstance(allowed, Failure):
            refused[pair.key] = Image(pair.key, ERROR, errors=(allowed.error,))
        elif isinstance(evidence, Failure) or not allowed:
            refused[pair.key] = Image(pair.key, NOT_REQUESTED)
        else:
            admitted.setdefault(pair.url, evidence)
    learned: dict[str, Image] = {}

    def refuse(url: str, final_url: str, headers: Headers) -> str | None:
        said = attempt(lambda r: gate.allows({**admitted[url], **gate.observe_response(r)}), Response(final_url, headers))
        if isinstance(said, Failure):
            return ERROR
        return None if said else REFUSED_BY_RESPONSE

    def take(answer: Answer) -> None:
        image = _image(answer, gate)
        learned[answer.url] = image
        if image.sha256 and not answer.place:
            store(image.sha256, answer.body)

    ask(list(admitted), refuse, take)
    return [refused.get(pair.key) or replace(learned[pair.url], key=pair.key) for pair in pairs]


def _image(answer: Answer, gate: Gate) -> Image:
    evidence = attempt(gate.observe_response, Response(answer.final_url or answer.url, answer.headers))
    ok = answer.status == "ok"
    return Image(
        key=b"",
        status=answer.status,
        http_status=answer.http_status,
        final_url=answer.final_url,
        fetched_at=answer.fetched_at,
        content_type=answer.content_type,
        size_bytes=len(answer.body) if ok else None,
        sha256=hashlib.sha256(answer.body).hexdigest() if ok else None,
        md5=hashlib.md5(answer.body, usedforsecurity=False).hexdigest() if ok else None,
        warc_file=answer.place[0] if answer.place else None,
        record_offset=answer.place[1] if answer.place else None,
        errors=(evidence.error,) if isinstance(evidence, Failure) else (),
        evidence=None if isinstance(evidence, Failure) or not answer.headers else evidence,
    )


@contextmanager
def web_source(settings: ClientSettings) -> Iterator[Ask]:
    """Ask the web; the pauses and robots.txt of a host are remembered until the block ends."""
    with asyncio.Runner() as runner:
        opened = open_client(settings)
        client = runner.run(opened.__aenter__())
        try:
            yield lambda urls, refuse, take: runner.run(_ask_all(client, [Order(url, refuse, take) for url in urls]))
        finally:
            runner.run(opened.__aexit__(None, None, None))


async def _ask_all(client: Client, orders: Sequence[Order]) -> None:
    waiting = [orders]

    async def refill() -> Sequence[Order] | None:
        return waiting.pop() if waiting else None

    await Schedule(client, refill, most_waiting=len(orders)).run()


@contextmanager
def archive_source(settings: ArchiveSettings, locations: str) -> Iterator[Ask]:
    """Ask the archive."""
    found = read_locations(locations)
    yield lambda urls, refuse, take: fetch_from_archive(urls, found, settings, refuse, take)


def fetch_bucket(
    names: Sequence[str], gate: Gate, source: ClientSettings | ArchiveSettings, folders: FetchFolders
) -> Iterator[Rejection | Counted]:
    """All unfinished parts of one bucket of hosts, one after another, so that a host has one visitor."""
    opened = (
        web_source(source)
        if isinstance(source, ClientSettings)
        else archive_source(source, locations_path(folders.pairs, parts.bucket_of(names[0])))
    )
    schema = schema_with(IMAGE_SCHEMA, gate.response_columns)
    with opened as ask:
        for name in names:
            pairs = from_table(parts.read_part(folders.pairs, name), Pair, PAIR_SCHEMA)
            with parts.write_pictures(folders.pictures, name) as pictures:
                images = fetch_part(pairs, gate, ask, pictures.add)
            outcomes = [image_outcome(image) for image in images]
            parts.write_part(folders.images, name, to_table(images, schema), tally_of(outcomes))
            yield from outcomes


def image_outcome(image: Image) -> Rejection | Counted:
    """How an image is counted."""
    if image.errors:
        return Rejection("pair", f"error:{image.errors[0]}", "quarantined")
    return Counted("pair", "kept") if image.status == "ok" else Rejection("pair", image.status)


def _make_fetcher(consent: Consent, source: ClientSettings | ArchiveSettings, folders: FetchFolders) -> Work:
    return partial(fetch_bucket, gate=load_gate(consent), source=source, folders=folders)


@dataclass
class FetchImages(beam.PTransform):  # type: ignore[misc]
    """Lists of the part names of one bucket -> image parts (and picture bytes) in their folders; output "tally"."""

    consent: Consent
    source: ClientSettings | ArchiveSettings
    folders: FetchFolders

    def expand(self, buckets: beam.PCollection) -> beam.DoOutputsTuple:
        return buckets | routed(partial(_make_fetcher, self.consent, self.source, self.folders))

"""Pairs to images: what may not be asked for is not asked for, the rest is asked for once, and every URL gets one status."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TypeVar

import apache_beam as beam
import pyarrow as pa

from archive.source import ArchiveSettings, fetch_from_archive
from filters.attempt import Failure, attempt
from filters.detector import Columns, Detector, Observe
from filters.observe import load_all
from filters.registry import evidence_columns
from filters.rule import Rule
from filters.subjects import Content, Response
from filters.verdict import judge
from records.outcome import Counted, Rejection, tally_of
from records.page import Headers
from records.pair import PAIR_SCHEMA, Evidence, Pair
from records.sample import IMAGE_SCHEMA, Image, pair_columns
from records.table import from_table, schema_with, to_table
from storage import files, parts
from storage.journal import Entry, Journal, salvaged
from storage.progress import Progress, write_progress
from storage.settled import Earlier, EarlierImages, Found, forget_previous, settled_images
from transforms.group import LocationIndex
from transforms.lanes import Lane
from transforms.robots_texts import RobotsShelf
from transforms.route import Work, routed
from transforms.store import Stores, StoreSettings, open_stores
from web.answer import Answer, Order
from web.client import ClientSettings, open_client
from web.schedule import Schedule

NOT_REQUESTED, REFUSED_BY_RESPONSE, ERROR = "not_requested", "refused_by_response", "error"
NO_KEY = bytes(16)  # of an image before it is that of a pair
MOST_WAITING = 20_000  # URLs of one worker, before another part is opened
MOST_OPEN = 48  # parts of one worker: each holds its pairs and an open file
POLL_S, TELL_S, SAVE_S = 0.05, 2.0, 2.0

Keep = Callable[[str, bytes], None]
"""Gets (sha256, bytes) of every picture that does not stay in an archive."""
Outcomes = list[Rejection | Counted]
Done = TypeVar("Done")


@dataclass(frozen=True)
class Consent:
    """What stands between a pair and a request: the rules that can save one, and what they read; and what looks at the bytes."""

    rules: Sequence[Rule]
    pair_detectors: Sequence[Detector]
    response_detectors: Sequence[Detector]
    content_detectors: Sequence[Detector] = ()


@dataclass(frozen=True)
class FetchFolders:
    """Where the pairs are, in how many buckets, where images go, where picture bytes go while they are needed, and what is there of
    earlier fetches."""

    pairs: str
    images: str
    pictures: str
    buckets: int
    earlier: Earlier = field(default_factory=Earlier)


@dataclass(frozen=True)
class WebSource:
    """The limits of the whole run, which its lanes share, and robots.txt files that are known already."""

    client: ClientSettings
    robots: RobotsShelf


@dataclass(frozen=True)
class Gate:
    """Consent with its detectors loaded."""

    rules: Sequence[Rule]
    observe_pair: Observe
    observe_response: Observe
    observe_content: Observe
    columns: Columns

    def evidence_of(self, pair: Pair) -> Evidence:
        """What is known before anything is asked for."""
        return {**pair_columns(pair), **self.observe_pair(pair)}

    def learn(self, answer: Answer) -> Evidence:
        """What an answer and its body say."""
        said = self.observe_response(Response(answer.final_url or answer.url, answer.headers))
        return {**said, **self.observe_content(Content(answer.body))} if answer.status == "ok" else said

    def allows(self, evidence: Evidence) -> bool:
        return judge(self.rules, evidence).drop is None


def load_gate(consent: Consent) -> Gate:
    """Load the detectors that consent needs."""
    return Gate(
        rules=consent.rules,
        observe_pair=load_all(consent.pair_detectors),
        observe_response=load_all(consent.response_detectors),
        observe_content=load_all(consent.content_detectors),
        columns=evidence_columns((*consent.response_detectors, *consent.content_detectors)),
    )


@dataclass
class OpenPart:
    """A part whose URLs are being asked for: what is settled without that, what may be asked for, and what has been learned."""

    keys: list[tuple[bytes, str]]
    gate: Gate
    store: Keep
    settled: dict[bytes, Image] = field(default_factory=dict)
    admitted: dict[str, Pair] = field(default_factory=dict)
    learned: dict[str, Image] = field(default_factory=dict)
    answered: Counter[str] = field(default_factory=Counter)
    unsaved: list[tuple[str, Image]] = field(default_factory=list)
    describe: Callable[[Image], Image] = lambda image: image

    def orders(self) -> list[Order]:
        """One for each URL that may be asked for."""
        return [Order(url, self.refuse, self.take) for url in self.admitted]

    def refuse(self, url: str, final_url: str, headers: Headers) -> str | None:
        """The status with which an answer's headers end the download."""
        said = attempt(lambda pair: self._allows(pair, Response(final_url, headers)), self.admitted[url])
        if isinstance(said, Failure):
            return ERROR
        return None if said else REFUSED_BY_RESPONSE

    def _allows(self, pair: Pair, response: Response) -> bool:
        return self.gate.allows({**self.gate.evidence_of(pair), **self.gate.observe_response(response)})

    def take(self, answer: Answer) -> None:
        """Keep what an answer says; its picture is stored."""
        image = _image(answer, self.gate)
        self.learned[answer.url] = image
        self.unsaved.append((answer.url, image))
        self.answered[answer.status] += 1
        del self.admitted[answer.url]
        if image.sha256 and not answer.place:
            self.store(image.sha256, answer.body)

    def take_again(self, known: Mapping[str, Image], contents: Mapping[str, bytes]) -> None:
        """What a run that was killed had learned; pictures whose bytes are gone are asked for again."""
        for url in [url for url in self.admitted if url in known]:
            image = known[url]
            if image.sha256 and image.warc_file is None:
                if image.sha256 not in contents:
                    continue
                self.store(image.sha256, contents[image.sha256])
            self.learned[url] = image
            del self.admitted[url]

    def images(self) -> list[Image]:
        """The image of each pair, in the order of the pairs, once every URL has been answered."""
        return [self.settled.get(key) or self.describe(replace(self.learned[url], key=key)) for key, url in self.keys]


def open_part(pairs: Sequence[Pair], gate: Gate, store: Keep, settled: Mapping[bytes, Image] | None = None) -> OpenPart:
    """Ask the rules which of the pairs that are not settled may be asked for."""
    part = OpenPart([(pair.key, pair.url) for pair in pairs], gate, store, dict(settled or {}))
    for pair in pairs:
        if pair.key in part.settled:
            continue
        allowed = attempt(lambda p: gate.allows(gate.evidence_of(p)), pair)
        if isinstance(allowed, Failure):
            part.settled[pair.key] = Image(pair.key, ERROR, errors=(allowed.error,))
        elif not allowed:
            part.settled[pair.key] = Image(pair.key, NOT_REQUESTED)
        else:
            part.admitted.setdefault(pair.url, pair)
    return part


def _image(answer: Answer, gate: Gate) -> Image:
    evidence = attempt(gate.learn, answer)
    ok = answer.status == "ok"
    return Image(
        key=NO_KEY,
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


@dataclass(frozen=True)
class Shelf:
    """Opens parts and puts their images in place."""

    gate: Gate
    folders: FetchFolders
    transient: Sequence[str]
    stores: Stores
    earlier: EarlierImages

    @cached_property
    def journal(self) -> Journal:
        return Journal(self.folders.images, self.schema)

    @property
    def schema(self) -> pa.Schema:
        return schema_with(IMAGE_SCHEMA, self.gate.columns)

    def open(self, name: str, stack: ExitStack) -> OpenPart:
        """Read a part's pairs; what its answers bring is stored until `stack` is closed."""
        pairs = from_table(parts.read_part(self.folders.pairs, name), Pair, PAIR_SCHEMA)
        own = settled_images(self.folders.images, name, self.transient)
        found = self.earlier.of(name)
        known = {pair.key: found[pair.key] for pair in pairs if pair.key not in own and pair.key in found}
        store = stack.enter_context(self.stores.open(name, keep=bool(own)))
        part = open_part(pairs, self.gate, store.add, {**{key: one.image for key, one in known.items()}, **own})
        part.describe = store.described
        _take_over(known.values(), store.add)
        answered = self.journal.of(name)
        if answered and self.stores.settings.side is None:  # of pictures made smaller it is not known what they were
            part.take_again(answered, salvaged(self.folders.pictures, name))
        return part

    def save(self, opened: Mapping[str, OpenPart]) -> None:
        """Put in place what was answered since the last time."""
        entries: list[Entry] = []
        for name, part in opened.items():
            unsaved, part.unsaved = part.unsaved, []
            entries += [Entry(name, url, image) for url, image in unsaved]
        if entries:
            self.journal.write(entries)

    def finish(self, name: str, part: OpenPart, stack: ExitStack) -> Outcomes:
        """Put the pictures, then the images in place."""
        stack.close()
        images = part.images()
        outcomes = [image_outcome(image) for image in images]
        parts.write_part(self.folders.images, name, to_table(images, self.schema), tally_of(outcomes))
        forget_previous(self.folders.images, name)
        for path in files.leftovers(parts.pictures_path(self.folders.pictures, name)):
            files.remove_file(path)
        return outcomes


def _take_over(known: Collection[Found], keep: Keep) -> None:
    """Bytes of pictures that an earlier fetch has stored."""
    for folder, name in sorted({found.bytes_at for found in known if found.bytes_at}):
        with parts.open_pictures(folder, name) as stored:
            for sha256 in sorted({found.image.sha256 or "" for found in known if found.bytes_at == (folder, name)}):
                keep(sha256, stored.read(sha256))


@dataclass(frozen=True)
class Fetcher:
    """Consent with its detectors loaded, where images come from, and where everything goes."""

    gate: Gate
    source: WebSource | ArchiveSettings
    folders: FetchFolders
    store: StoreSettings
    transient: Sequence[str] = ()

    def __call__(self, lane: Lane) -> Iterator[Rejection | Counted]:
        """Fetch every part of a lane that is not there yet. Raises StoreFull."""
        done = set(parts.part_names(self.folders.images))
        names = [name for name in lane.names if name not in done]
        with open_stores(self.folders.pictures, self.store, lane.lanes) as stores:
            shelf = Shelf(self.gate, self.folders, self.transient, stores, EarlierImages(self.folders.earlier))
            if isinstance(self.source, WebSource):
                yield from _fetch_from_web(lane, names, shelf, self.source)
            else:
                yield from _fetch_from_archive(names, shelf, self.source)


def _fetch_from_web(lane: Lane, names: Sequence[str], shelf: Shelf, source: WebSource) -> Outcomes:
    try:
        return asyncio.run(WebLane(lane, names, shelf, source).run())
    except ExceptionGroup as errors:  # of concurrent tasks; the first is what went wrong
        raise _first_of(errors) from None


def _first_of(error: Exception) -> Exception:
    return _first_of(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error


def _fetch_from_archive(names: Sequence[str], shelf: Shelf, source: ArchiveSettings) -> Iterator[Rejection | Counted]:
    locations = LocationIndex(shelf.folders.pairs, shelf.folders.buckets)
    for name in sorted(names):
        with ExitStack() as stack:
            part = shelf.open(name, stack)
            fetch_from_archive(part.orders(), locations.find, source)
            yield from shelf.finish(name, part, stack)


class WebLane:
    """Asks the web for several parts at the same time: while one waits for its slowest host, others go on."""

    def __init__(self, lane: Lane, names: Sequence[str], shelf: Shelf, source: WebSource) -> None:
        self._lane, self._shelf, self._source = lane, shelf, source
        self._names = iter(names)
        self._open: dict[str, tuple[OpenPart, ExitStack]] = {}
        self._all_answered = False
        self._answered: Counter[str] = Counter()
        self._outcomes: Outcomes = []

    async def run(self) -> Outcomes:
        """Until every part is in place. Parts that were open are dropped whole if anything raises."""
        lane, robots = self._lane, self._source.robots
        texts = robots.read(lane.shares)
        with ThreadPoolExecutor(1) as writer, ExitStack() as opened:
            self._writer, self._opened = writer, opened
            limits = _share(self._source.client, lane.lanes)
            async with open_client(limits, lane.share_of(robots.buckets), texts) as client, asyncio.TaskGroup() as group:
                schedule = Schedule(client, self._refill, MOST_WAITING)
                group.create_task(self._finish())
                beside = [group.create_task(self._tell(schedule)), group.create_task(self._save())]
                await schedule.run()
                for task in beside:
                    task.cancel()
                self._all_answered = True
        robots.write(lane.shares, texts)
        return self._outcomes

    async def _refill(self) -> Sequence[Order] | None:
        """The orders of one more part, when there are not too many open."""
        while len(self._open) >= MOST_OPEN:
            await asyncio.sleep(POLL_S)
        name = next(self._names, None)
        if name is None:
            return None
        stack = self._opened.enter_context(ExitStack())
        part = await self._in_thread(partial(self._shelf.open, name, stack))
        part.answered = self._answered
        self._open[name] = part, stack
        return part.orders()

    async def _tell(self, schedule: Schedule) -> None:
        """Say every few seconds how far this lane is."""
        while True:
            await asyncio.sleep(TELL_S)
            said = Progress(dict(self._answered), schedule.hosts_waiting)
            await asyncio.to_thread(write_progress, self._shelf.folders.images, self._lane.names[0], said)

    async def _save(self) -> None:
        """Keep a journal of what was answered for parts that are open."""
        while True:
            await asyncio.sleep(SAVE_S)
            await self._in_thread(partial(self._shelf.save, {name: part for name, (part, _) in self._open.items()}))

    async def _finish(self) -> None:
        """Put parts in place as soon as all of their URLs have been answered, until that is so of all."""
        while self._open or not self._all_answered:
            for name in [name for name, (part, _) in self._open.items() if not part.admitted]:
                part, stack = self._open.pop(name)
                self._outcomes += await self._in_thread(partial(self._shelf.finish, name, part, stack))
            await asyncio.sleep(POLL_S)

    async def _in_thread(self, work: Callable[[], Done]) -> Done:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)


def _share(client: ClientSettings, lanes: int) -> ClientSettings:
    """What one of several lanes may use of the limits of the whole run."""
    bytes_per_s = client.bytes_per_s / lanes if client.bytes_per_s else None
    return replace(client, connections=max(1, client.connections // lanes), bytes_per_s=bytes_per_s)


def image_outcome(image: Image) -> Rejection | Counted:
    """How an image is counted."""
    if image.errors:
        return Rejection("pair", f"error:{image.errors[0]}", "quarantined")
    return Counted("pair", "kept") if image.status == "ok" else Rejection("pair", image.status)


def _make_fetcher(images: FetchImages) -> Work:
    return Fetcher(load_gate(images.consent), images.source, images.folders, images.store, images.transient)


@dataclass
class FetchImages(beam.PTransform):  # type: ignore[misc]
    """Lanes -> image parts (and picture bytes) in their folders; output "tally"."""

    consent: Consent
    source: WebSource | ArchiveSettings
    folders: FetchFolders
    store: StoreSettings
    transient: Sequence[str]

    def expand(self, lanes: beam.PCollection) -> beam.DoOutputsTuple:
        return lanes | routed(partial(_make_fetcher, self))

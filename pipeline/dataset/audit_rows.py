"""Looks up, in the work directory, what a person sees of a drawn row: its caption and picture."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from threading import Thread
from typing import Any

import pyarrow as pa

from filters.privacy.spans import personal_spans
from filters.verdict import redact
from pairsieve.audit.pictures import as_jpeg
from pairsieve.erasure.tombstones import IMAGE_URL, MD5, SHA256, Tombstones
from pairsieve.images.processes import Crashed, Processes
from pairsieve.records.ledger import keyed
from pairsieve.records.manifest import MANIFEST, Manifest
from pairsieve.records.page import Headers
from pairsieve.records.sample import IMAGE_SCHEMA, Image
from pairsieve.records.table import from_table
from pairsieve.storage import files, parts
from pairsieve.storage.sealed import Damaged
from pairsieve.warc.reader import READ_ERRORS
from pairsieve.warc.source import ArchiveSettings, read_at
from pairsieve.web.answer import Answer, FetchRequest
from pairsieve.web.client import Client, open_client
from pairsieve.web.client_settings import ClientSettings
from pairsieve.web.places import address_key
from pairsieve.web.refusals import Busy
from pairsieve.web.reservations import header_signals
from pipeline.dataset.manifest import NoSuchDataset
from pipeline.dataset.release import INSTALLED
from pipeline.orchestrate.results import PICTURES
from pipeline.orchestrate.stage_result import manifests

TAKEN_OUT = "(somebody has asked for this row to be taken out: answer that you cannot tell)"
ANSWER_S = 80.0
"""A host may ask for a pause before it is asked; the page gives up a little later."""


@dataclass(frozen=True)
class DrawnRow:
    """What the work directory has of a drawn row; `pictures` and `part` name its picture store."""

    caption: str
    url: str
    image: Image
    pictures: str
    part: str


@dataclass(frozen=True)
class StageFolders:
    """The folders of one run's results: pairs, images, and stored pictures."""

    pairs: str
    images: str
    pictures: str


def drawn_rows(
    dataset: str, work: str, secret: bytes, wanted: frozenset[str]
) -> dict[str, DrawnRow]:
    """Id -> row, for every id that is wanted. Raises NoSuchDataset where one is not there."""
    most: dict[str, DrawnRow] = {}
    # A work directory may hold results of several runs; the one of this dataset comes first.
    for folders in _stage_folders(dataset, work):
        rows = _rows_in(folders, secret, wanted)
        if len(rows) == len(wanted):
            return rows
        most = max(most, rows, key=len)
    raise NoSuchDataset(
        f"{work} holds {len(most)} of the {len(wanted)} rows that were drawn. Give the --work of "
        "the run that made this dataset, and --key-file if the run had publish.key_file. What "
        "`pairsieve purge` has removed, the run's command makes again"
    )


def _stage_folders(dataset: str, work: str) -> Iterator[StageFolders]:
    """The results of runs in a work directory; those of the run that made this dataset first."""
    text = files.read_text(files.join(dataset, MANIFEST))
    digest = hashlib.sha256(text.encode()).hexdigest()
    fetched = _by_fingerprint(manifests(work, "fetch"))
    scored = _by_fingerprint(manifests(work, "score"))
    published = list(reversed(manifests(work, "publish")))
    # The sort is stable: behind the run that made this dataset come the others, the newest first.
    published.sort(key=lambda publish: not _has_installed(publish["folder"], digest))
    for publish in published:
        score = scored.get(publish["upstream"])
        if score is None:
            continue
        # The name of a fetch that was asked again ends in its generation.
        fingerprint = score["upstream"].partition(".")[0]
        fetch = fetched.get(fingerprint)
        if fetch is None:
            continue
        pairs = files.join(work, "extract", fetch["upstream"])
        images = fetch["folder"]
        yield StageFolders(pairs, images, files.join(images, PICTURES))


def _by_fingerprint(stage_manifests: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Fingerprint -> manifest: a fingerprint is the name of the result's folder."""
    return {manifest["folder"].rpartition("/")[2]: manifest for manifest in stage_manifests}


def _has_installed(folder: str, digest: str) -> bool:
    """Whether a publish stage has put the manifest of this digest in place."""
    path = files.join(folder, INSTALLED)
    if not files.exists(path):
        return False
    installed = json.loads(files.read_text(path))
    return bool(installed.get("manifest_sha256") == digest)


def keep_installed(dataset: str, work: str, before: str) -> None:
    """Let the run that made a dataset know the manifest that an audit has written there.

    `before` is the text of the manifest before the audit. Without this the same run would put the
    same dataset in place again, and the audit would be gone.
    """
    digest = hashlib.sha256(before.encode()).hexdigest()
    text = files.read_text(files.join(dataset, MANIFEST))
    for published in manifests(work, "publish"):
        path = files.join(published["folder"], INSTALLED)
        if _has_installed(published["folder"], digest):
            installed = json.loads(files.read_text(path))
            installed["manifest_sha256"] = hashlib.sha256(text.encode()).hexdigest()
            files.write_text(path, json.dumps(installed))


def _rows_in(folders: StageFolders, secret: bytes, wanted: frozenset[str]) -> dict[str, DrawnRow]:
    rows = {}
    for name in parts.part_names(folders.pairs):
        try:
            pairs = parts.read_part(folders.pairs, name).select(["key", "url", "caption"])
            numbers = _numbers_of(pairs["key"].to_pylist(), secret, wanted)
            if not numbers:
                continue
            at = pa.array(list(numbers.values()))
            images = parts.read_part(folders.images, name).select(IMAGE_SCHEMA.names).take(at)
        except (Damaged, FileNotFoundError):
            # Purged or damaged: its rows are not found, and the message says what to do.
            continue
        of_pairs = pairs.take(at).to_pylist()
        of_images = from_table(images, Image, IMAGE_SCHEMA)
        for row_id, pair, image in zip(numbers, of_pairs, of_images, strict=True):
            rows[row_id] = DrawnRow(pair["caption"], pair["url"], image, folders.pictures, name)
    return rows


def _numbers_of(keys: list[bytes], secret: bytes, wanted: frozenset[str]) -> dict[str, int]:
    """Id -> number of its row in a part. A row is known by its key, or by its id in the ledger."""
    numbers = {}
    for number, key in enumerate(keys):
        # The second is the id in the ledger, and the published key of a redacted row.
        for row_id in (key.hex(), keyed(secret, key).hex()):
            if row_id in wanted:
                numbers[row_id] = number
    return numbers


def caption_without_personal_data(caption: str) -> str:
    """A caption that was never published, with personal data cut out as from published ones.

    So a caption does not tell whether its row was published, and shows no e-mail address.
    """
    return redact(caption, personal_spans(caption))


def is_erased(row: DrawnRow, stones: Tombstones) -> bool:
    """Whether somebody has asked for a row to be taken out.

    The ledger leads to such a row where another rule dropped it too. It must not be shown to
    anybody.
    """
    image = row.image
    urls = [url for url in (row.url, image.final_url) if url]
    return (
        any(stones.has(IMAGE_URL, address_key(url)) or stones.has_place(url) for url in urls)
        or stones.has(SHA256, image.sha256)
        or stones.has(MD5, image.md5)
    )


def without_erased(rows: Mapping[str, DrawnRow], stones: Tombstones) -> dict[str, DrawnRow]:
    """The rows, with nothing left to see of those that were taken out."""
    nothing = Image(b"", "erased")
    return {
        row_id: replace(row, caption=TAKEN_OUT, image=nothing) if is_erased(row, stones) else row
        for row_id, row in rows.items()
    }


@dataclass(frozen=True)
class Pictures:
    """Reads the pictures of drawn rows: from archives on this machine, or from the work directory.

    With `web` it also requests the other pictures, politely, if the run got an answer from their
    host: a host that refused the run is not asked again.
    """

    rows: Mapping[str, DrawnRow]
    processes: Processes
    max_bytes: int
    web: WebPictures | None = None

    def read(self, row_id: str) -> bytes | None:
        """The picture of a row as JPEG; None where there is none that can be shown."""
        row = self.rows.get(row_id)
        if row is None or row.image.status != "ok":
            return None
        content = self._content(row)
        if not content:
            return None
        jpeg = self.processes.run_alone(as_jpeg, content)
        return None if isinstance(jpeg, Crashed) else jpeg

    def _content(self, row: DrawnRow) -> bytes | None:
        image = row.image
        if image.warc_file is not None and image.record_offset is not None:
            # To read an archive elsewhere is a request too.
            if self.web is None and not files.is_local(image.warc_file):
                return None
            try:
                settings = ArchiveSettings(self.max_bytes)
                return read_at(image.warc_file, image.record_offset, settings)[1]
            except READ_ERRORS:
                return None
        stored = _stored(row)
        if stored is None and self.web is not None:
            return self.web.read(row.url)
        return stored


def _stored(row: DrawnRow) -> bytes | None:
    """The bytes in the work directory; None where they were deleted after scoring."""
    if row.image.sha256 is None or not files.exists(parts.pictures_path(row.pictures, row.part)):
        return None
    try:
        with parts.open_pictures(row.pictures, row.part) as store:
            return store.read(row.image.sha256)
    except (KeyError, Damaged, pa.ArrowInvalid):
        return None


@dataclass(frozen=True)
class WebPictures:
    """Asks for pictures through the client of the fetch stage, one event loop for all of them."""

    client: Client
    loop: asyncio.AbstractEventLoop

    def read(self, url: str) -> bytes | None:
        """The bytes of a picture; None where its site refuses it, or does not answer in time."""
        answering = asyncio.run_coroutine_threadsafe(self._ask(url), self.loop)
        try:
            answer = answering.result(ANSWER_S)
        except FutureTimeout:
            answering.cancel()
            return None
        return answer.body if answer is not None and answer.status == "ok" else None

    async def _ask(self, url: str) -> Answer | None:
        request = FetchRequest(url, _refused_by_headers, lambda _: None)
        try:
            return await self.client.ask(request)
        except Busy as busy:
            # The next request to this host then waits.
            self.client.pause_host(busy, 1)
            return None


def _refused_by_headers(_asked: str, _final: str, headers: Headers) -> str | None:
    """A site may have reserved a picture since the run."""
    return "refused_by_response" if header_signals(headers) else None


@contextmanager
def web_pictures(settings: ClientSettings) -> Iterator[WebPictures]:
    """Open the web client in a thread of its own, so that it remembers hosts and their pauses."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    opened = open_client(settings)
    try:
        yield WebPictures(run(opened.__aenter__()), loop)
        run(opened.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def client_settings(manifest: Manifest) -> ClientSettings:
    """The limits of the web client that the run had. Raises NoSuchDataset without a contact."""
    fetch = manifest.config.get("fetch", {})
    values = {f.name: fetch[f.name] for f in fields(ClientSettings) if f.name in fetch}
    if not values.get("contact"):
        raise NoSuchDataset(
            "the run had no fetch.contact, so it made no requests, and none are made now; leave "
            "out the option that asks for pictures of the web"
        )
    # Networks beyond the public internet are private settings: they are not in the manifest.
    return ClientSettings(**{**values, "ports": tuple(values["ports"]), "allow_networks": ()})

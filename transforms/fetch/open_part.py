"""A part of pairs while its images are fetched.

Rules decide which URLs may be requested. For those it collects the answers, and then gives the
image of each pair.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from filters.detector import Columns, Detector, Observe
from filters.observe import load_all
from filters.registry import evidence_columns
from filters.rule import Rule
from filters.subjects import Content, Response
from filters.verdict import judge
from pairsieve.attempt import Failure, attempt
from pairsieve.images.marks import Marks
from pairsieve.images.processes import Crashed, GuardedFunction, Limits
from pairsieve.records.page import Headers
from pairsieve.records.pair import Evidence, Pair
from pairsieve.records.sample import Image, pair_columns
from pairsieve.web.answer import Answer, FetchRequest, PageLicence
from pairsieve.web.offline import offline

NOT_REQUESTED, REFUSED_BY_RESPONSE, ERROR = "not_requested", "refused_by_response", "error"

# The key of an image that belongs to a URL, before it is copied for each pair of the URL.
NO_KEY = bytes(16)

StorePicture = Callable[[str, bytes], None]
"""Stores (sha256, bytes) of a picture."""


@dataclass(frozen=True)
class Consent:
    """The rules and detectors that run during the fetch.

    `rules` can save a request, and `pair_detectors` find what they read. `response_detectors` look
    at headers, `content_detectors` at the bytes of a picture.
    """

    rules: Sequence[Rule]
    pair_detectors: Sequence[Detector]
    response_detectors: Sequence[Detector]
    content_detectors: Sequence[Detector] = ()


@dataclass(frozen=True)
class Gate:
    """Consent with its detectors loaded. `columns` are those of response and content evidence."""

    rules: Sequence[Rule]
    observe_pair: Observe
    observe_response: Observe
    observe_content: Observe
    columns: Columns

    def admit(self, pair: Pair) -> Evidence | None:
        """The evidence of a pair whose image may be requested; None if it may not."""
        evidence = {**pair_columns(pair), **self.observe_pair(pair)}
        return evidence if self.allows(evidence) else None

    def answer_evidence(self, answer: Answer) -> Evidence:
        """The evidence of the headers of an answer, and of its body if there is one."""
        response = Response(answer.final_url or answer.url, answer.headers)
        evidence = offline(self.observe_response, response)
        if answer.status != "ok":
            return evidence
        return {**evidence, **self.observe_content(Content(answer.body))}

    def allows(self, evidence: Evidence) -> bool:
        """Whether no rule drops a pair with this evidence."""
        return judge(self.rules, evidence).drop is None


# What reading the metadata of one picture may take. An ordinary picture takes a thousandth of the
# time.
CONTENT_LIMITS = Limits(cpu_s=1.5, grown_bytes=500_000_000)

# Smaller pictures need no process of their own. Measured (benchmarks/hostile.py): no metadata in so
# few bytes take more than 0.1 s.
CHEAP_BYTES = 256 * 1024

# Found in files whose metadata are read by a native library (filters/rights/c2pa.py). Native code
# may crash, so it always runs in a process of its own.
_NATIVE = Marks((b"c2pa",))


class PictureTooCostly(ValueError):
    """Reading the metadata of a picture took too much time or memory."""


class ContentLook:
    """Runs content detectors on a picture, in a process that may be killed where that is needed.

    Large files, and files that native code reads, go to that process.
    """

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._observe = load_all(detectors)
        self._guarded = GuardedFunction(load_all, (tuple(detectors),), CONTENT_LIMITS)

    def __call__(self, content: Content) -> Evidence:
        """The evidence. Raises PictureTooCostly, and what a detector raises."""
        if len(content.body) <= CHEAP_BYTES and not _NATIVE.within(content.body):
            return offline(self._observe, content)
        evidence = self._guarded(content)
        if isinstance(evidence, Crashed):
            raise PictureTooCostly
        return evidence


def load_gate(consent: Consent) -> Gate:
    """Load the detectors that consent needs."""
    observe_content: Observe = load_all(())
    if consent.content_detectors:
        observe_content = ContentLook(consent.content_detectors)
    return Gate(
        rules=consent.rules,
        observe_pair=load_all(consent.pair_detectors),
        observe_response=load_all(consent.response_detectors),
        observe_content=observe_content,
        columns=evidence_columns((*consent.response_detectors, *consent.content_detectors)),
    )


@dataclass
class OpenPart:
    """A part whose URLs are being requested.

    `rows` holds the (key, URL) of each pair. `settled` holds images that need no request, by key.
    `admitted` holds the URLs that still wait for an answer, with the evidence of their pair.
    `answered_images` holds the image of each answered URL, still without a key.
    `status_counts` counts answers by status; a lane shares one counter among its parts.
    `unsaved` are the answers that the journal does not have yet.
    `licences` holds the licence files that the pages of a URL name; a dict keeps their order.
    `store` stores a picture as served, unless it stays in an archive.
    `describe` adds to an image what its store knows of the original. `flush` has the store hand its
    pictures to the operating system.
    """

    rows: list[tuple[bytes, str]]
    gate: Gate
    store: StorePicture
    settled: dict[bytes, Image] = field(default_factory=dict)
    admitted: dict[str, Evidence] = field(default_factory=dict)
    answered_images: dict[str, Image] = field(default_factory=dict)
    status_counts: Counter[str] = field(default_factory=Counter)
    unsaved: list[tuple[str, Image]] = field(default_factory=list)
    licences: dict[str, dict[PageLicence, None]] = field(default_factory=dict)
    describe: Callable[[Image], Image] = lambda image: image
    flush: Callable[[], None] = lambda: None

    def requests(self) -> list[FetchRequest]:
        """One request for each URL that may be requested."""
        requests = []
        for url in self.admitted:
            licences = tuple(self.licences.get(url, ()))
            request = FetchRequest(
                url, self.check_headers, self.keep_answer, licences, self.examine
            )
            requests.append(request)
        return requests

    def check_headers(self, url: str, final_url: str, headers: Headers) -> str | None:
        """The status with which to end a download because of its headers; None to go on."""
        response = Response(final_url, headers)
        allowed = attempt(partial(self._allows, response=response), self.admitted[url])
        if isinstance(allowed, Failure):
            return ERROR
        return None if allowed else REFUSED_BY_RESPONSE

    def _allows(self, pair_evidence: Evidence, response: Response) -> bool:
        return self.gate.allows({**pair_evidence, **self.gate.observe_response(response)})

    def examine(self, answer: Answer) -> Callable[[], None]:
        """Run detectors on an answer. Returns a function that keeps the result.

        This may run on any thread; the returned function must run on the thread of the part.
        """
        return partial(self._keep, answer, _image(answer, self.gate))

    def keep_answer(self, answer: Answer) -> None:
        """Examine an answer, keep it, and store its picture."""
        self.examine(answer)()

    def _keep(self, answer: Answer, image: Image) -> None:
        self.answered_images[answer.url] = image
        self.unsaved.append((answer.url, image))
        self.status_counts[answer.status] += 1
        del self.admitted[answer.url]
        # Bytes that lie in the archive stay there.
        if image.sha256 and not answer.archive_location:
            self.store(image.sha256, answer.body)

    def restore(
        self, journal: Mapping[str, Image], contents: Mapping[str, bytes], store: StorePicture
    ) -> None:
        """Take over the answers of a run that was killed.

        `journal` holds its images by URL, `contents` the bytes of its pictures by sha256, which
        `store` stores. A picture whose bytes are gone is requested again.
        """
        for url in list(self.admitted):
            image = journal.get(url)
            if image is None:
                continue
            if image.sha256 and image.warc_file is None:
                # An object store keeps nothing of an upload that was cut off.
                if image.sha256 not in contents:
                    continue
                store(image.sha256, contents[image.sha256])
            self.answered_images[url] = image
            del self.admitted[url]

    def images(self) -> list[Image]:
        """The image of each pair, in the order of the pairs.

        Raises KeyError when a URL has not been answered yet.
        """
        images = []
        for key, url in self.rows:
            image = self.settled.get(key)
            if image is None:
                image = self.describe(replace(self.answered_images[url], key=key))
            images.append(image)
        return images


def open_part(
    pairs: Sequence[Pair],
    gate: Gate,
    store: StorePicture,
    settled: Mapping[bytes, Image] | None = None,
) -> OpenPart:
    """Ask the rules which pairs may be requested; those with a `settled` image need no request."""
    rows = [(pair.key, pair.url) for pair in pairs]
    part = OpenPart(rows, gate, store, dict(settled or {}))
    for pair in pairs:
        if pair.key in part.settled:
            continue
        evidence = attempt(gate.admit, pair)
        if isinstance(evidence, Failure):
            part.settled[pair.key] = Image(pair.key, ERROR, errors=(evidence.error,))
        elif evidence is None:
            part.settled[pair.key] = Image(pair.key, NOT_REQUESTED)
        else:
            # One request for all pairs of a URL. Publish judges each of them by its own evidence.
            part.admitted.setdefault(pair.url, evidence)
            licences = part.licences.setdefault(pair.url, {})
            licences.update(dict.fromkeys(_licences(pair)))
    return part


def _licences(pair: Pair) -> list[PageLicence]:
    """The licence files that the page of a pair names."""
    addresses = pair.evidence.get("page_licence_files")
    if not isinstance(addresses, Sequence):
        return []
    return [PageLicence(address, pair.page_url) for address in addresses]


def _image(answer: Answer, gate: Gate) -> Image:
    """The image of an answer, without a key."""
    # answer_evidence keeps detectors offline by itself; its process may read storage.
    evidence = attempt(gate.answer_evidence, answer, reads_storage=True)
    errors: tuple[str, ...] = ()
    if isinstance(evidence, Failure):
        errors = (evidence.error,)
    warc_file, record_offset = answer.archive_location or (None, None)
    is_ok = answer.status == "ok"
    body = answer.body
    # Everything at once: to change a record copies all of it.
    return Image(
        key=NO_KEY,
        status=answer.status,
        http_status=answer.http_status,
        final_url=answer.final_url,
        fetched_at=answer.fetched_at,
        content_type=answer.content_type,
        size_bytes=len(body) if is_ok else None,
        sha256=hashlib.sha256(body).hexdigest() if is_ok else None,
        # Registries of opt-outs name pictures by either digest.
        md5=hashlib.md5(body, usedforsecurity=False).hexdigest() if is_ok else None,
        warc_file=warc_file,
        record_offset=record_offset,
        errors=errors,
        # Where nothing answered there is no evidence of a response.
        evidence=None if isinstance(evidence, Failure) or not answer.headers else evidence,
    )

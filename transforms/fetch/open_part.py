"""A part of pairs whose images are being asked for: what may be asked for, and what has been
learned.
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
from pairsieve.images.processes import Crashed, Elsewhere, Limits
from pairsieve.records.page import Headers
from pairsieve.records.pair import Evidence, Pair
from pairsieve.records.sample import Image, pair_columns
from pairsieve.web.answer import Answer, Order, PageLicence
from pairsieve.web.offline import offline

NOT_REQUESTED, REFUSED_BY_RESPONSE, ERROR = "not_requested", "refused_by_response", "error"
NO_KEY = bytes(16)  # of an image before it is that of a pair

Keep = Callable[[str, bytes], None]
"""Gets (sha256, bytes) of every picture that does not stay in an archive."""


@dataclass(frozen=True)
class Consent:
    """What stands between a pair and a request: the rules that can save one, and what they read;
    and what looks at the bytes.
    """

    rules: Sequence[Rule]
    pair_detectors: Sequence[Detector]
    response_detectors: Sequence[Detector]
    content_detectors: Sequence[Detector] = ()


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

    def admit(self, pair: Pair) -> Evidence | None:
        """What is known of a pair whose image may be asked for; None of one that is dropped
        without.
        """
        known = self.evidence_of(pair)
        return known if self.allows(known) else None

    def learn(self, answer: Answer) -> Evidence:
        """What an answer and its body say."""
        said = offline(
            self.observe_response, Response(answer.final_url or answer.url, answer.headers)
        )
        return (
            {**said, **self.observe_content(Content(answer.body))}
            if answer.status == "ok"
            else said
        )

    def allows(self, evidence: Evidence) -> bool:
        return judge(self.rules, evidence).drop is None


# Metadata of a picture take a thousandth of this time.
CONTENT_LIMITS = Limits(cpu_s=1.5, grown_bytes=500_000_000)
# measured (benchmarks/hostile.py): no metadata in so many bytes take more than 0.1 s
CHEAP_BYTES = 256 * 1024
# in files whose metadata are read by a library in native code (filters/rights/c2pa.py)
_NATIVE = b"c2pa"


class PictureTooCostly(ValueError):
    """A picture whose metadata took the process that read them more time or memory than it has."""


class ContentLook:
    """What detectors find in a picture's bytes: those of a long file, or that native code reads, in
    a process that may be killed.
    """

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._observe = load_all(detectors)
        self._elsewhere = Elsewhere(load_all, (tuple(detectors),), CONTENT_LIMITS)

    def __call__(self, content: Content) -> Evidence:
        """Raises PictureTooCostly, and what a detector raises."""
        if len(content.body) <= CHEAP_BYTES and _NATIVE not in content.body:
            return offline(self._observe, content)
        found = self._elsewhere(content)
        if isinstance(found, Crashed):
            raise PictureTooCostly
        return found


def load_gate(consent: Consent) -> Gate:
    """Load the detectors that consent needs."""
    return Gate(
        rules=consent.rules,
        observe_pair=load_all(consent.pair_detectors),
        observe_response=load_all(consent.response_detectors),
        observe_content=ContentLook(consent.content_detectors)
        if consent.content_detectors
        else load_all(()),
        columns=evidence_columns((*consent.response_detectors, *consent.content_detectors)),
    )


@dataclass
class OpenPart:
    """A part whose URLs are being asked for: what is settled without that, what may be asked for
    (with what is known of its pair), and what has been learned.
    """

    keys: list[tuple[bytes, str]]
    gate: Gate
    store: Keep
    settled: dict[bytes, Image] = field(default_factory=dict)
    admitted: dict[str, Evidence] = field(default_factory=dict)
    learned: dict[str, Image] = field(default_factory=dict)
    answered: Counter[str] = field(default_factory=Counter)
    unsaved: list[tuple[str, Image]] = field(default_factory=list)
    licences: dict[str, dict[PageLicence, None]] = field(default_factory=dict)
    describe: Callable[[Image], Image] = lambda image: image

    def orders(self) -> list[Order]:
        """One for each URL that may be asked for."""
        return [
            Order(url, self.refuse, self.take, tuple(self.licences.get(url, ())), self.prepare)
            for url in self.admitted
        ]

    def refuse(self, url: str, final_url: str, headers: Headers) -> str | None:
        """The status with which an answer's headers end the download."""
        said = attempt(
            lambda known: self._allows(known, Response(final_url, headers)), self.admitted[url]
        )
        if isinstance(said, Failure):
            return ERROR
        return None if said else REFUSED_BY_RESPONSE

    def _allows(self, known: Evidence, response: Response) -> bool:
        return self.gate.allows({**known, **self.gate.observe_response(response)})

    def prepare(self, answer: Answer) -> Callable[[], None]:
        """Look at an answer, on any thread; what is returned keeps what was seen."""
        return partial(self._keep, answer, _image(answer, self.gate))

    def take(self, answer: Answer) -> None:
        """Keep what an answer says; its picture is stored."""
        self.prepare(answer)()

    def _keep(self, answer: Answer, image: Image) -> None:
        self.learned[answer.url] = image
        self.unsaved.append((answer.url, image))
        self.answered[answer.status] += 1
        del self.admitted[answer.url]
        if image.sha256 and not answer.place:
            self.store(image.sha256, answer.body)

    def take_again(self, known: Mapping[str, Image], contents: Mapping[str, bytes]) -> None:
        """What a run that was killed had learned; pictures whose bytes are gone are asked for
        again.
        """
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
        return [
            self.settled.get(key) or self.describe(replace(self.learned[url], key=key))
            for key, url in self.keys
        ]


def open_part(
    pairs: Sequence[Pair], gate: Gate, store: Keep, settled: Mapping[bytes, Image] | None = None
) -> OpenPart:
    """Ask the rules which of the pairs that are not settled may be asked for."""
    part = OpenPart([(pair.key, pair.url) for pair in pairs], gate, store, dict(settled or {}))
    for pair in pairs:
        if pair.key in part.settled:
            continue
        known = attempt(gate.admit, pair)
        if isinstance(known, Failure):
            part.settled[pair.key] = Image(pair.key, ERROR, errors=(known.error,))
        elif known is None:
            part.settled[pair.key] = Image(pair.key, NOT_REQUESTED)
        else:
            part.admitted.setdefault(pair.url, known)
            part.licences.setdefault(pair.url, {}).update(dict.fromkeys(_licences(pair)))
    return part


def _licences(pair: Pair) -> list[PageLicence]:
    """The licence files that the pair's pages name."""
    named = pair.evidence.get("page_licence_files")
    return (
        [PageLicence(address, pair.page_url) for address in named]
        if isinstance(named, Sequence)
        else []
    )


def _image(answer: Answer, gate: Gate) -> Image:
    # Gate.learn keeps detectors offline itself
    evidence = attempt(gate.learn, answer, reads_storage=True)
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

"""Asks the links of a recheck, in the lanes of the fetch: hosts, limits and sites as there."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial

import apache_beam as beam

from filters.subjects import Content, Response
from pairsieve.attempt import Failure, attempt
from pairsieve.images.decode import Decoded, DecodeSettings, LeastSize, decode
from pairsieve.images.pdq import GOOD_QUALITY, distance, pdq
from pairsieve.images.processes import Crashed, GuardedFunction, Limits
from pairsieve.recheck.links import SEEN_SCHEMA, AskedLink, SeenLink, asked_in, table_of
from pairsieve.recheck.outcome import (
    REFUSED_BY_RESPONSE,
    Look,
    Served,
    expected_hashes,
    known_picture_of,
    look_at,
    next_link,
    served_of,
)
from pairsieve.records.outcome import Counted, Rejection, tally_of
from pairsieve.records.page import Headers
from pairsieve.records.pair import Evidence
from pairsieve.storage import parts
from pairsieve.web.answer import Answer, FetchRequest
from pairsieve.web.media_type import HTML_TYPES, media_type, sniffs_as_html
from pairsieve.web.offline import offline
from transforms.fetch.lanes import Lane
from transforms.fetch.open_part import Consent, Gate, load_gate
from transforms.fetch.web_lane import Outcomes, WebSource, fetch_from_web
from transforms.plumbing.counting import Work, counting

# Statuses of links that could not be judged, and of those whose turn did not come.
ERROR, TIME_OVER = "error", "time_over"
# Decoding a picture for its hash; limits as for scoring (pairsieve/images/processes.py).
DECODE_LIMITS = Limits()
# PDQ looks at 64 x 64 pixels; so a JPEG may be decoded at a fraction of its size.
DECODE_AT_LEAST = 512


@dataclass(frozen=True)
class RecheckFolders:
    """`asked` holds the parts of links, `seen` becomes the parts of what they serve."""

    asked: str
    seen: str


@dataclass(frozen=True)
class Moment:
    """Which recheck this is, when it began (ISO 8601, UTC), and until when it asks.

    `ends_at` is in seconds since 1970.
    """

    round_number: int
    at: str
    ends_at: float

    def ended(self, answer: Answer) -> bool:
        """Whether a link was left alone because the time was over, and not because of its host."""
        return answer.status == "host_left_alone" and time.time() >= self.ends_at


@dataclass(frozen=True)
class Looker:
    """What is loaded on a worker to look at answers: rules on rights, and the hash of pictures."""

    gate: Gate
    pdq_of: Callable[[bytes], str | Crashed | None]

    def refuses_headers(self, final_url: str, headers: Headers) -> bool:
        """Whether a response reserves the picture, under the dataset's own rule `rights`."""
        found = offline(self.gate.observe_response, Response(final_url, headers))
        return not self.gate.allows(_rights_alone(found))

    def served(self, link: AskedLink, answer: Answer) -> Served:
        """Describe the body of an answer. A body that is known is not decoded again."""
        sha256 = hashlib.sha256(answer.body).hexdigest()
        served = served_of(answer.body, sha256)
        if sha256 in expected_hashes(link):
            return served
        hash_now = self.pdq_of(answer.body)
        if hash_now is None and is_page(answer):
            return replace(served, is_page=True)
        distance_bits = None
        if link.pdq and isinstance(hash_now, str) and hash_now:
            distance_bits = distance(bytes.fromhex(link.pdq), bytes.fromhex(hash_now))
        found = self.gate.observe_content(Content(answer.body))
        refuses = not self.gate.allows(_rights_alone(found))
        return replace(served, pdq_distance=distance_bits, refuses=refuses)


def _rights_alone(evidence: Evidence) -> Evidence:
    """The signals among what was observed; the page was judged when the row was made."""
    signals = {name: value for name, value in evidence.items() if name.endswith("_rights_signals")}
    return {"page_rights_signals": (), **signals}


def is_page(answer: Answer) -> bool:
    """Whether a body that is no picture is a page: HTML by its type, or by its first bytes."""
    said_type = media_type(answer.content_type or "").essence
    return said_type in HTML_TYPES or sniffs_as_html(answer.body)


def make_pdq(settings: DecodeSettings) -> Callable[[bytes], str | None]:
    """The function from a picture file to its PDQ hash in hex.

    It returns None for what cannot be decoded, and an empty text for a picture that shows too
    little for a hash.
    """

    def pdq_of(content: bytes) -> str | None:
        picture = decode(content, settings, LeastSize(DECODE_AT_LEAST))
        if not isinstance(picture, Decoded):
            return None
        bits, quality = pdq(picture.image)
        return bits.hex() if quality >= GOOD_QUALITY else ""

    return pdq_of


@dataclass
class AskedPart:
    """A part whose links are being asked. `admitted` holds those that wait for an answer."""

    links: list[AskedLink]
    looker: Looker
    moment: Moment
    admitted: dict[str, AskedLink] = field(default_factory=dict)
    answered: dict[str, SeenLink] = field(default_factory=dict)
    status_counts: Counter[str] = field(default_factory=Counter)

    def requests(self) -> list[FetchRequest]:
        """One request for each link."""
        requests = []
        for url, link in self.admitted.items():
            known = known_picture_of(link)
            request = FetchRequest(
                url, self.check_headers, self.keep_answer, examine=self.examine, known=known
            )
            requests.append(request)
        return requests

    def check_headers(self, _url: str, final_url: str, headers: Headers) -> str | None:
        """The status with which to end a request because of its headers; None to go on."""
        refuses = attempt(partial(self.looker.refuses_headers, final_url), headers)
        if isinstance(refuses, Failure):
            return ERROR
        return REFUSED_BY_RESPONSE if refuses else None

    def examine(self, answer: Answer) -> Callable[[], None]:
        """Look at a body, on any thread. Returns a function that keeps what was seen."""
        link = self.admitted[answer.url]
        # Detectors are kept offline by the looker; its processes may read storage.
        served = attempt(partial(self.looker.served, link), answer, reads_storage=True)
        if isinstance(served, Failure):
            return partial(self._keep, replace(answer, status=ERROR, body=b""), None)
        return partial(self._keep, answer, served)

    def keep_answer(self, answer: Answer) -> None:
        """Keep an answer without a body, or look at its body first."""
        if answer.body:
            self.examine(answer)()
        else:
            self._keep(answer, None)

    def _keep(self, answer: Answer, served: Served | None) -> None:
        link = self.admitted.pop(answer.url)
        if self.moment.ended(answer):
            answer = replace(answer, status=TIME_OVER)
        look = look_at(link, answer, served)
        self.status_counts[look.outcome] += 1
        self.answered[answer.url] = self._seen(link, answer, look)

    def _seen(self, link: AskedLink, answer: Answer, look: Look) -> SeenLink:
        learned = None
        if look.outcome != "not_asked":
            learned = next_link(link, answer, look, self.moment.round_number, self.moment.at)
        return SeenLink(look.outcome, look.reason, link.fetched_at, link.rows, learned)

    def seen(self) -> list[SeenLink]:
        """The outcome of each link, in the order of the part."""
        return [self.answered[link.url] for link in self.links]


@dataclass(frozen=True)
class AskedParts:
    """Opens and writes the parts of one worker. A part that was cut off is asked again."""

    looker: Looker
    folders: RecheckFolders
    moment: Moment

    @property
    def result_folder(self) -> str:
        return self.folders.seen

    def open(self, name: str, _stack: ExitStack) -> AskedPart:
        """Read the links of a part."""
        links = asked_in(parts.read_part(self.folders.asked, name))
        admitted = {link.url: link for link in links}
        return AskedPart(links, self.looker, self.moment, admitted)

    def save(self, opened: Mapping[str, AskedPart]) -> None:
        """Keep nothing of unfinished parts: they are small."""

    def finish(self, name: str, part: AskedPart, stack: ExitStack) -> Outcomes:
        """Write what became of the links of a part."""
        stack.close()
        seen = part.seen()
        outcomes = [_outcome(link) for link in seen]
        table = table_of(seen, SEEN_SCHEMA)
        parts.write_part(self.folders.seen, name, table, tally_of(outcomes))
        return outcomes


def _outcome(seen: SeenLink) -> Counted | Rejection:
    if seen.outcome == "same":
        return Counted("image", "kept")
    return Rejection("image", seen.outcome)


@dataclass(frozen=True)
class Asker:
    """Asks lanes of parts."""

    consent: Consent
    decode: DecodeSettings
    source: WebSource
    folders: RecheckFolders
    moment: Moment

    def __call__(self, lane: Lane) -> Iterator[Rejection | Counted]:
        """Ask the links of every part of a lane that is not written yet."""
        done = set(parts.part_names(self.folders.seen))
        names = [name for name in lane.names if name not in done]
        pdq_of: GuardedFunction[bytes, str | None] = GuardedFunction(
            make_pdq, (self.decode,), DECODE_LIMITS
        )
        with closing(pdq_of):
            looker = Looker(load_gate(self.consent), pdq_of)
            lane_parts = AskedParts(looker, self.folders, self.moment)
            yield from fetch_from_web(lane, names, lane_parts, self.source)


@dataclass
class AskLinks(beam.PTransform):  # type: ignore[misc]
    """Lanes -> parts of what their links serve, in their folder."""

    asker: Asker

    def expand(self, lanes: beam.PCollection) -> beam.PCollection:
        # The asker loads its detectors when it is called, so that there is nothing to make before.
        return lanes | "Ask lanes" >> counting(partial(_itself, self.asker), without_counts=True)


def _itself(asker: Asker) -> Work:
    return asker

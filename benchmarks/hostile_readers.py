"""The functions of ours that benchmarks/hostile.py measures."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from benchmarks.hostile_pages import page_of, page_shapes
from filters.detector import Detector
from filters.rights.picture_metadata import PictureMetadata
from filters.subjects import Content
from pairsieve.images.decode import DecodeSettings
from pairsieve.images.prepare import Square, prepare
from pairsieve.images.processes import Processes
from pairsieve.records.page import Page
from pairsieve.records.pair import Pair
from pairsieve.search.forms import forms_of_text, other_words
from pairsieve.search.letters import fold
from pairsieve.search.words import says_nothing
from pairsieve.web.cost import MAX_TAGS
from pairsieve.web.pasted_addresses import alike_key, pasted_address
from pairsieve.web.reservations import header_signals
from pairsieve.web.robots import Robots
from pairsieve.web.rsl import UnreadableLicence, read_licence
from pairsieve.web.srcset import candidates
from pairsieve.web.urls import absolute, canonical, registered_domain
from transforms.extractor import ExtractSettings, GuardedExtractor

WORK = "PAIRSIEVE_BENCH_WORK"  # environment variable: where children find the pickled Work
DECODE = DecodeSettings(("JPEG", "PNG", "WEBP"), 89_478_484, 50)
FIELDS = ("X-Robots-Tag", "Content-Usage", "TDM-Reservation", "Link")

Reader = Callable[[Any], object]
"""Reads one item."""


@runtime_checkable
class RunsProcess(Protocol):
    """A reader that works in a child process."""

    def warm_up(self) -> None:
        """Start the process, if the item before has killed it."""

    def close(self) -> None:
        """End the process."""


@dataclass(frozen=True)
class Work:
    """What the demonstration's config asks of extract, and of pairs.

    Its detectors are all that need no model.
    """

    settings: ExtractSettings
    page_detectors: Sequence[Detector]
    pair_detectors: Sequence[Detector]


def _read_work() -> Work:
    content = Path(os.environ[WORK]).read_bytes()
    work: Work = pickle.loads(content)  # noqa: S301 - written by the parent process
    return work


class Extractor:
    """Extracts a page as a worker does, in a child process where the page is costly."""

    def __init__(self) -> None:
        work = _read_work()
        self._extract = GuardedExtractor(work.settings, work.page_detectors)
        self._costly_page = page_of(page_shapes()["images"], MAX_TAGS + 1)

    def warm_up(self) -> None:
        self._extract(self._costly_page)

    def __call__(self, page: Page) -> object:
        return self._extract(page)

    def close(self) -> None:
        self._extract.close()


class Decoder:
    """Decodes a picture in a child process, as score does."""

    def __init__(self) -> None:
        self._processes = Processes(1)

    def warm_up(self) -> None:
        self(b"")

    def __call__(self, content: bytes) -> object:
        task = self._processes.submit(prepare, content, DECODE, (Square(224),), 640)
        return self._processes.result(task)

    def close(self) -> None:
        self._processes.close()


def pair_detectors() -> Reader:
    """Load the detectors of pairs."""
    functions = [detector.load() for detector in _read_work().pair_detectors]

    def observe(pair: Pair) -> object:
        return [function(pair) for function in functions]

    return observe


def metadata_reader() -> Reader:
    """Load the detector of picture metadata."""
    observe = PictureMetadata().load()
    return lambda body: observe(Content(body))


def read_caption_forms(text: str) -> None:
    """Read a caption as the index of the search page does, in the language with most rules."""
    # A row's caption is valid UTF-8, which has no half letters.
    caption = text.encode("utf-8", "replace").decode()
    fold(caption)
    forms_of_text(caption, "tr")


def read_query(text: str) -> None:
    """Read what a visitor typed into the search page, as words and as an address."""
    says_nothing(text)
    other_words(text)
    address = pasted_address(text)
    alike_key(address or text)


def read_url(text: str) -> None:
    """Read a text as a URL, and as parts of one."""
    for reference in (
        text,
        "http://" + text,
        "http://a.example/" + text,
        "http://" + text + "@a.example/",
    ):
        url = absolute("http://b.example/", reference)
        if url:
            canonical(url)
            registered_domain(url)


def read_srcset(srcset: str) -> int:
    """Count the candidates of a srcset."""
    return sum(1 for _ in candidates(srcset))


def read_header(value: str) -> None:
    """Read a value in every field that is read."""
    header_signals(tuple((name, value) for name in FIELDS))


def read_robots(text: str) -> None:
    """Read a robots.txt and ask it about a long URL."""
    robots = Robots(text, ai_agents=True)
    robots.refusal("https://a.example/" + "a" * 400)
    _ = robots.licences, robots.crawl_delay_s


def read_licence_file(text: bytes) -> None:
    """Read a licence file (RSL)."""
    # Files that were read are remembered.
    read_licence.cache_clear()
    try:
        read_licence(text, "https://a.example/")
    except UnreadableLicence:
        return

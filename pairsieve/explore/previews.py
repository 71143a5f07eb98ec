"""Small pictures of results, which this machine fetches in the visitor's place.

Only where the publisher switched it on (`pairsieve explore --previews`). The client of the
fetch stage fetches them, which checks addresses and asks robots.txt. They are decoded in a process
that may be killed, and encoded anew: nothing of the file but its pixels reaches a visitor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from cachetools import TTLCache
from itsdangerous import BadSignature, TimestampSigner
from PIL import Image

from pairsieve.erasure.requests import EXAMPLES
from pairsieve.explore.guard import TOKEN_AGE_S
from pairsieve.explore.work_queue import WorkQueue
from pairsieve.images.decode import Decoded, decode
from pairsieve.images.plain_jpeg import plain_jpeg

MAX_SIDE = 256  # pixels; enough to recognise oneself
# A blurred preview has so many pixels a side before it is enlarged: colours and large shapes are
# left, and no filter brings a face back.
BLURRED_SIDE = 8
QUALITY = 80
PREVIEW_S = 40.0  # to wait for a turn, for a slow site, and to decode

# Whoever looks at a blurred preview may want it clear: the site is asked once for both.
KEPT, KEPT_S = 500, 600.0  # previews in memory, some 10 MB, and for how long


@dataclass(frozen=True)
class Preview:
    """A small picture, as two JPEGs."""

    blurred: bytes
    clear: bytes


ReadPreview = Callable[[str], Preview | None]
"""Fetches the picture at a URL; None where there is nothing to show."""


@dataclass(frozen=True)
class Previews:
    """Reads previews, and signs which pictures they may be of.

    A visitor can ask for pictures of the results alone: else the page would fetch any URL for
    anybody.
    """

    read: ReadPreview
    signer: TimestampSigner
    work: WorkQueue = field(default_factory=lambda: WorkQueue("previews", 4, 200, 24))
    _kept: TTLCache[str, Preview] = field(default_factory=lambda: TTLCache(KEPT, KEPT_S))
    """By URL; in memory only."""
    _lock: Lock = field(default_factory=Lock)

    def get(self, url: str) -> Preview | None:
        """Return the preview of a picture; None where there is nothing to show."""
        with self._lock:
            kept: Preview | None = self._kept.get(url)
        if kept is not None:
            return kept
        preview = self.read(url)
        if preview is not None:
            with self._lock:
                self._kept[url] = preview
        return preview

    def token(self, url: str) -> str:
        """Return what a page of results asks for a picture with; empty for no URL."""
        return self.signer.sign(url).decode() if url else ""

    def url_of(self, token: str) -> str:
        """Return the URL of a token; empty when the page did not make it, or long ago."""
        try:
            return self.signer.unsign(token, max_age=TOKEN_AGE_S).decode()
        except BadSignature:
            return ""


def make_preview(content: bytes) -> Preview | None:
    """Make a preview of a picture's pixels; None if it cannot be decoded.

    Native decoders have bugs: run this in a process that may be killed.
    """
    decoded = decode(content, EXAMPLES)
    if not isinstance(decoded, Decoded):
        return None
    clear = decoded.image.convert("RGB")
    clear.thumbnail((MAX_SIDE, MAX_SIDE))
    few_pixels = clear.copy()
    few_pixels.thumbnail((BLURRED_SIDE, BLURRED_SIDE))
    blurred = few_pixels.resize(clear.size, Image.Resampling.BICUBIC)
    return Preview(plain_jpeg(blurred, QUALITY), plain_jpeg(clear, QUALITY))

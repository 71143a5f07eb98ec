"""The detector of writing in pictures: how much there is, and of what kind. No text is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from filters.detector import Columns, Needs, Observe, required
from filters.documents.gate import TextArea, text_area
from filters.documents.reading import load_reader
from filters.documents.words import (
    document_words,
    folded,
    folded_words,
    is_machine_line,
)
from filters.privacy.spans import personal_spans
from filters.subjects import Picture
from pairsieve.records.pair import Evidence, PerCaption
from pairsieve.records.privacy import Public

ENOUGH_WORDS = 4  # of one kind of document: more would change no decision
ENOUGH_LINES = 12  # without a word of any document: titles and labels stand among the first
READ_CHARS = 6000  # of what was read, in which personal data are looked for
SHORT_WORD = 3  # letters; shorter words of a caption stand in any text


@dataclass(frozen=True)
class TextInPicture:
    """Writing in pictures: its share, and whether it looks like a document or a watermark.

    A cheap look at edges tells how much of a picture may be writing. RapidOCR (extra `ocr`) reads
    it where that is `read_from` or more. What was read is not kept; these columns are:

    - `text_share`: share of the picture that looks like writing, 0 to 1.
    - `text_page_like`: whether there are several lines on a light ground, as on a page or card.
    - `text_chars`: letters and digits that were read; 0 where nothing had to be read.
    - `text_kinds`: kinds of personal data in the writing.
    - `document_words`: for each kind of document, how many of its words were read.
    - `document_machine_lines`: lines for machines, as in passports.
    - `watermark_words`: whether an agency's name, or a word such as "preview", was read.
    - `caption_in_picture`: share of the caption's letters, by words, that stand in the picture;
      empty where nothing was read.

    `read_limit`: how much is read at most, as pixels of line width (400 are about one line).
    """

    name: ClassVar[str] = "text_in_picture"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs.IMAGE
    costly: ClassVar[bool] = True
    columns: ClassVar[Columns] = {
        "text_share": pa.float32(),
        "text_page_like": pa.bool_(),
        "text_chars": pa.int32(),
        "text_kinds": pa.list_(pa.string()),
        "document_words": pa.list_(pa.struct([("kind", pa.string()), ("words", pa.int32())])),
        "document_machine_lines": pa.int32(),
        "watermark_words": pa.bool_(),
        "caption_in_picture": pa.float32(),
    }

    read_from: Public[float] = 0.01
    read_limit: Public[int] = 5000

    def load(self) -> Observe:
        reader = load_reader(self.read_limit)
        opencv = required("cv2", "ocr")

        def observe(picture: Picture) -> Evidence:
            pixels = np.asarray(picture.image)
            area = text_area(pixels, opencv)
            lines = reader.lines(pixels, _is_enough) if self._is_read(area) else []
            return _evidence(area, lines)

        return observe

    def _is_read(self, area: TextArea) -> bool:
        return area.share >= self.read_from


def _is_enough(lines: Sequence[str]) -> bool:
    """Whether the lines say already what kind of document it is, or that it is none."""
    most = max(document_words().found(lines).values(), default=0)
    return most >= ENOUGH_WORDS or (most == 0 and len(lines) >= ENOUGH_LINES)


def _evidence(area: TextArea, lines: Sequence[str]) -> Evidence:
    words = document_words()
    text = " ".join(lines)[:READ_CHARS]
    kinds = {span.kind for span in personal_spans(text)}
    found = words.found(lines)
    return {
        "text_share": area.share,
        "text_page_like": area.page_like,
        "text_chars": sum(character.isalnum() for character in text),
        "text_kinds": tuple(sorted(kinds)),
        "document_words": tuple({"kind": kind, "words": n} for kind, n in sorted(found.items())),
        "document_machine_lines": sum(map(is_machine_line, lines)),
        "watermark_words": words.has_watermark(lines),
        "caption_in_picture": PerCaption(_ShareOfCaption(folded(text))) if text else None,
    }


@dataclass(frozen=True)
class _ShareOfCaption:
    """Compares captions with what was read. It lives as long as a part is being scored."""

    read: str

    def __repr__(self) -> str:
        return "_ShareOfCaption"  # the text must not get into a log

    def __call__(self, caption: str) -> float:
        """Share of the caption's letters, by whole words, that stand in the picture.

        The reader loses spaces, so a word counts wherever its letters stand. Words of one or two
        letters do not count.
        """
        words = [word for word in folded_words(caption) if len(word) >= SHORT_WORD]
        letters = sum(map(len, words))
        if not letters:
            return 0.0
        return sum(len(word) for word in words if word in self.read) / letters

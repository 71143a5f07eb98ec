"""Reads the frozen sets of tests/filters/sets/privacy: texts with marked personal data.

Odd lines of a set may be tuned on ("dev"), even lines are held out ("held out").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path

from filters.rule import Span
from tests.support.marked_captions import SETS, unmarked

PRIVACY = SETS / "privacy"
DEV, HELD_OUT = "dev", "held out"
NUMBER = "{}"  # stands for the number in a line of phone_cues.tsv and card_cues.tsv


@dataclass(frozen=True)
class Text:
    """One text of a set.

    - `group`: what a figure is given for: a language, region, country, network or module.
    - `marks`: what must be found in it, and nothing else.
    """

    group: str
    text: str
    marks: tuple[Span, ...]
    half: str


def lines_of(name: str) -> list[tuple[str, str]]:
    """(half, line) of a set, without comments and empty lines."""
    text = Path(PRIVACY / name).read_text("utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("# ")]
    return [(HELD_OUT if number % 2 else DEV, line) for number, line in enumerate(lines)]


def lookalikes() -> list[Text]:
    """Texts in which nothing may be found."""
    return [Text("", line, (), half) for half, line in lines_of("lookalikes.txt")]


def marked_texts(name: str) -> list[Text]:
    """A set of lines `group TAB text`, or of texts alone."""
    texts = []
    for half, line in lines_of(name):
        group, _, marked = line.rpartition("\t")
        caption, spans = unmarked(marked)
        texts.append(Text(group, caption, tuple(spans), half))
    return texts


def announced_phones(every_number: bool = False, step: int = 1) -> Iterator[Text]:
    """Each example number behind each cue, in national and in international form.

    A half has its own cues and its own numbers. With `every_number` it has its own cues only, so
    that every region is in both halves. Of all these texts every `step`-th is made. The group is
    `region language`.
    """
    numbers = [
        (half, line.split("\t")[0], number)
        for half, line in lines_of("phone_numbers.tsv")
        for number in line.split("\t")[2:]
    ]
    pairs = product(lines_of("phone_cues.tsv"), numbers)
    for (half, cue), (half_of_number, region, number) in islice(pairs, 0, None, step):
        if every_number or half == half_of_number:
            language, _, template = cue.partition("\t")
            yield _filled(f"{region} {language}", template, "PHONE", number, half)


def announced_cards() -> Iterator[Text]:
    """Each test number of a payment processor behind each cue.

    The group is `network language`.
    """
    numbers = lines_of("cards.tsv")
    for half, cue in lines_of("card_cues.tsv"):
        language, _, template = cue.partition("\t")
        for half_of_number, line in numbers:
            if half == half_of_number:
                network, number, _ = line.split("\t")
                yield _filled(f"{network} {language}", template, "CARD", number, half)


def plain_cards() -> Iterator[Text]:
    """Each test number alone."""
    for half, line in lines_of("cards.tsv"):
        network, number, _ = line.split("\t")
        yield _filled(network, NUMBER, "CARD", number, half)


def urls() -> list[tuple[str, str, str]]:
    """(half, kind, URL); the kind is empty where a URL holds nothing personal."""
    found = []
    for half, line in lines_of("url_data.tsv"):
        kind, url = line.split("\t")
        found.append((half, kind, url))
    found += [(half, "", line) for half, line in lines_of("lookalike_urls.txt")]
    return found


def _filled(group: str, template: str, kind: str, number: str, half: str) -> Text:
    start = template.index(NUMBER)
    span = Span(kind, start, start + len(number))
    return Text(group, template.replace(NUMBER, number), (span,), half)

"""What the personal-data patterns find on sets of others, what they flag wrongly, what they cost.

    python benchmarks/personal_data.py [--quick] [--half dev] [--show NUMBER]

The sets lie in tests/filters/sets/privacy and were frozen before the patterns were written. Half of
each was used while writing them (dev); the figures are those of the half that was held out.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from benchmarks.machine import cpu
from filters.privacy.identity import is_valid
from filters.privacy.national_numbers import Identifier, behind_word, without_word
from filters.privacy.spans import kinds_in_url, personal_spans
from tests.support.marked_captions import found_and_missed, marked_captions
from tests.support.privacy_sets import (
    DEV,
    HELD_OUT,
    Text,
    announced_cards,
    announced_phones,
    lookalikes,
    marked_texts,
    plain_cards,
    urls,
)
from tests.support.random_text import marks, random_text, scrambled

DRAWS = 20_000
EVERY, QUICK_EVERY = (
    7,
    37,
)  # of the many texts of the phone sets, every 7th; every 37th with --quick


GOALS = {
    "phone": ("phone behind a cue", "phone without a cue", "phone, whole span"),
    "card": ("card behind a cue", "card alone"),
    "iban": ("IBAN",),
    "national_id": ("national id",),
    "email_and_ip": ("e-mail and IP",),
    "older_set": ("the older frozen set",),
}
"""Goal -> the sets that it is about. Made-up streets of faker are in the table alone."""


@dataclass
class Figures:
    """Counts on one set, by group and in all, and examples of what is wrong."""

    found: Counter[str] = field(default_factory=Counter)
    marked: Counter[str] = field(default_factory=Counter)
    false: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        return _share(self.found.total(), self.marked.total())

    @property
    def precision(self) -> float:
        return _share(self.found.total(), self.found.total() + self.false)

    def by(self, part: int) -> dict[str, float]:
        """Recall by one part of the groups' names, such as the language in `region language`."""
        found, marked = Counter[str](), Counter[str]()
        for group, number in self.marked.items():
            marked[group.split(" ")[part]] += number
            found[group.split(" ")[part]] += self.found[group]
        return {name: _share(found[name], number) for name, number in marked.items()}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def measure(texts: Iterable[Text]) -> Figures:
    """Search texts, and compare with their marks."""
    figures = Figures()
    for text in texts:
        found, missed, false = found_and_missed(personal_spans(text.text), list(text.marks))
        figures.found[text.group] += len(found)
        figures.marked[text.group] += len(text.marks)
        figures.false += len(false)
        if missed or false:
            figures.wrong.append(text.text)
    return figures


def main() -> None:
    """Measure, print the tables and the goals."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a part of the large sets")
    parser.add_argument("--half", choices=(DEV, HELD_OUT), default=HELD_OUT)
    parser.add_argument("--show", type=int, default=8, help="examples of what is wrong")
    parser.add_argument(
        "--chances",
        action="store_true",
        help="measure `chance` of national_numbers.yaml instead, by random numbers",
    )
    options = parser.parse_args()
    if options.chances:
        for identifier in (*without_word(), *behind_word()):
            print(f"{identifier.checked_by or identifier.form}: {chance_of(identifier):.2g}")
        return
    print(f"{cpu()}, {os.cpu_count()} cores; the half: {options.half}")
    step = QUICK_EVERY if options.quick else EVERY
    for line in report(options.half, step, options.show):
        print(line, flush=True)


def chance_of(identifier: Identifier) -> float:
    """The share of random numbers that pass (filters/privacy/national_numbers.py says which)."""
    chance = random.Random(27)
    whole = re.compile(identifier.form)
    share = 0.0
    for _ in range(DRAWS):
        number = scrambled(random_text(identifier.form, chance), chance)
        if whole.fullmatch(number) and is_valid(identifier, number):
            share += 0.25 ** marks(number) / DRAWS
    return share


def report(half: str, step: int, shown: int) -> Iterator[str]:
    """Every table and goal, line by line."""
    figures = {
        name: measure(islice((text for text in texts() if text.half == half), 0, None, every))
        for name, texts, every in _sets(step)
    }
    yield "| set | recall | precision | marked |\n|---|---|---|---|"
    for name, of_set in figures.items():
        yield (
            f"| {name} | {of_set.recall:.4f} | {of_set.precision:.4f} | {of_set.marked.total()} |"
        )
    for name, of_set in figures.items():
        if of_set.wrong:
            yield f"{name}, wrong {len(of_set.wrong)}: {_spread(of_set.wrong, shown)}"
    regions = measure(
        islice((text for text in announced_phones(True) if text.half == half), 0, None, step)
    )
    yield from _phones_by_group(regions, step)
    yield from _lookalikes(half, shown)
    yield from _urls(half)
    yield from _goals(figures)
    yield from _cost()


def _sets(step: int) -> Sequence[tuple[str, Callable[[], Iterable[Text]], int]]:
    return (
        ("phone behind a cue", announced_phones, step),
        ("phone without a cue", lambda: marked_texts("phone_plain.tsv"), 1),
        ("phone, whole span", lambda: marked_texts("phone_spans.tsv"), 1),
        ("card behind a cue", announced_cards, 1),
        ("card alone", plain_cards, 1),
        ("IBAN", lambda: marked_texts("ibans.tsv"), 1),
        ("national id", lambda: marked_texts("national_ids.tsv"), 1),
        ("e-mail and IP", lambda: marked_texts("others.tsv"), 1),
        ("address (faker)", lambda: marked_texts("addresses.tsv"), 1),
        ("the older frozen set", _older_set, 1),
    )


def _older_set() -> Iterator[Text]:
    """Both halves are its whole."""
    for caption, spans in marked_captions("personal_data.txt"):
        for half in (DEV, HELD_OUT):
            yield Text("", caption, tuple(spans), half)


def _spread(wrong: Sequence[str], shown: int) -> str:
    """Some examples, evenly over all."""
    every = max(1, len(wrong) // shown)
    return "; ".join(repr(text) for text in wrong[::every][:shown])


def _phones_by_group(regions: Figures, step: int) -> Iterator[str]:
    by_region, by_language = regions.by(0), regions.by(1)
    low = {region: share for region, share in sorted(by_region.items()) if share < 0.98}
    yield f"phones behind a cue: {len(by_region)} regions; below 0.98: {_named(low)}"
    yield f"phones behind a cue, by language: {_named(by_language)}"
    languages = sum(share >= 0.98 for share in by_language.values())
    # with --quick a region has too few texts for a share
    if step <= EVERY:
        yield f"goal phone_worst_region {min(by_region.values()):.4f} >= 0.98"
    yield f"goal phone_languages {languages} >= 15"


def _named(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:.3f}" for name, share in shares.items()) or "none"


def _lookalikes(half: str, shown: int) -> Iterator[str]:
    texts = [text.text for text in lookalikes() if text.half == half]
    spans_of = {text: personal_spans(text) for text in texts}
    marked = {text: spans for text, spans in spans_of.items() if spans}
    yield f"look-alikes marked: {len(marked)} of {len(texts)}"
    for text, spans in islice(marked.items(), 4 * shown):
        found = [f"{span.kind} {text[span.start : span.end]!r}" for span in spans]
        yield f"  {text!r}: {', '.join(found)}"
    yield f"goal lookalikes_marked {len(marked) / len(texts):.4f} <= 0.03"


def _urls(half: str) -> Iterator[str]:
    missed = [
        url for h, kind, url in urls() if h == half and kind and kind not in kinds_in_url(url)
    ]
    false = [url for h, kind, url in urls() if h == half and not kind and kinds_in_url(url)]
    yield f"URLs: missed {missed}; marked wrongly {false}"
    yield f"goal urls_wrong {len(missed) + len(false)} <= 0"


def _goals(figures: Mapping[str, Figures]) -> Iterator[str]:
    for goal, names in GOALS.items():
        found = sum(figures[name].found.total() for name in names)
        marked = sum(figures[name].marked.total() for name in names)
        yield f"goal {goal} {_share(found, marked):.4f} >= 0.95"
    found = sum(of_set.found.total() for of_set in figures.values())
    false = sum(of_set.false for of_set in figures.values())
    yield f"goal precision {found / (found + false):.4f} >= 0.98"


def _cost() -> Iterator[str]:
    """Microseconds a text: the older set, which is hard, and the look-alikes."""
    for name, texts in (
        ("older set", [caption for caption, _ in marked_captions("personal_data.txt")]),
        ("look-alikes", [text.text for text in lookalikes()]),
    ):
        times = []
        for _ in range(5):
            started = time.process_time()
            for text in texts:
                personal_spans(text)
            times.append((time.process_time() - started) / len(texts) * 1e6)
        yield f"{name}: {statistics.median(times):.1f} us a text"


if __name__ == "__main__":
    main()
